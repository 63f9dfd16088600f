// SPDX-License-Identifier: Apache-2.0
// examples/sequence_estimators.cpp: the unbiased estimates agree with the long run, and sampling
// without replacement comes closer to it than sampling with.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>
#include <string>

#include "run_example.hpp"

namespace partita::testing {
namespace {

struct Row {
  double mean;
  double error;
};

TEST(SequenceEstimators, MeetTheLongRun) {
  std::istringstream printed(run_example());
  std::map<std::string, Row> truth;
  std::string name;
  std::string sign;
  for (int i = 0; i < 2; ++i) {
    Row row{};
    std::string rest;
    ASSERT_TRUE(printed >> name >> row.mean >> sign >> row.error && std::getline(printed, rest));
    truth[name] = row;
  }
  std::string line;
  std::map<int, std::map<std::string, Row>> lengths;
  std::map<int, std::map<std::string, Row>> entropies;
  while (std::getline(printed, line)) {
    if (line.size() < 26 || line.find("+-") == std::string::npos) continue;
    const int k = std::stoi(line.substr(0, 4));
    std::string estimator = line.substr(6, 20);
    estimator.erase(estimator.find_last_not_of(' ') + 1);
    std::istringstream numbers(line.substr(26));
    Row length{};
    Row entropy{};
    ASSERT_TRUE(numbers >> length.mean >> sign >> length.error >> entropy.mean >> sign >>
                entropy.error)
        << line;
    lengths[k][estimator] = length;
    entropies[k][estimator] = entropy;
    // The mean of 8192 / k repetitions, within six of its standard errors and the long run's.
    if (estimator == "normalized") continue;  // is biased
    const double repetitions = 8192.0 / k;
    EXPECT_NEAR(length.mean, truth["length"].mean,
                6 * std::hypot(length.error / std::sqrt(repetitions), truth["length"].error))
        << line;
    EXPECT_NEAR(entropy.mean, truth["entropy"].mean,
                6 * std::hypot(entropy.error / std::sqrt(repetitions), truth["entropy"].error))
        << line;
  }
  ASSERT_EQ(lengths.size(), 4U);
  for (const auto& [k, rows] : lengths) {
    ASSERT_EQ(rows.size(), 4U) << k;
    if (k < 64) continue;
    const double plain = rows.at("ordinary sampling").error;
    EXPECT_LT(rows.at("unordered set").error, plain) << k;
    EXPECT_LT(rows.at("normalized").error, plain) << k;
    EXPECT_LT(entropies[k].at("normalized").error, entropies[k].at("ordinary sampling").error);
  }
}

}  // namespace
}  // namespace partita::testing
