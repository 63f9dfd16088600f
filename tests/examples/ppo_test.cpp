// SPDX-License-Identifier: Apache-2.0
// examples/ppo.cpp learns to balance the pole.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "run_example.hpp"

namespace partita::testing {
namespace {

/// A random policy's pole stays up for 22 steps, and one that learns the wrong way for fewer. After
/// 40 updates three seeds stayed up for 311 to 363.
TEST(Ppo, BalancesThePole) {
  std::istringstream printed(run_example("25"));
  std::string line;
  std::vector<double> lengths;
  while (std::getline(printed, line)) {
    std::istringstream row(line);
    double steps = 0;
    double length = 0;
    if (row >> steps >> length) lengths.push_back(length);
  }
  ASSERT_EQ(lengths.size(), 25U);
  EXPECT_LT(lengths.front(), 40);
  double sum = 0;
  for (std::size_t i = 20; i < 25; ++i) sum += lengths[i] / 5;
  EXPECT_GT(sum, 100);
}

}  // namespace
}  // namespace partita::testing
