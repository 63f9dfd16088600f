// SPDX-License-Identifier: Apache-2.0
// Responsibilities of a Gaussian mixture, a softmax, against the nearest center, as the variance
// goes to 0; and the example that runs EM with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "partita/softmax/softmax.hpp"
#include "run_example.hpp"
#include "temporary_directory.hpp"

namespace partita::testing {
namespace {

TEST(SoftKMeans, ResponsibilitiesBecomeTheNearestCenter) {
  constexpr std::size_t kCenters = 5;
  for (std::uint64_t point = 0; point < 200; ++point) {
    Draws draws({.seed = 7, .id = point});
    std::vector<double> distances;  // squared, to each center
    for (std::size_t j = 0; j < kCenters; ++j) {
      const double x = draws.normal();
      const double y = draws.normal();
      distances.push_back(x * x + y * y);
    }
    const auto nearest = static_cast<std::size_t>(
        std::min_element(distances.begin(), distances.end()) - distances.begin());
    std::vector<double> sorted = distances;
    std::sort(sorted.begin(), sorted.end());
    const double gap = sorted[1] - sorted[0];

    for (double variance = 4; variance > 1e-12; variance /= 4) {
      std::vector<double> shares;
      for (const double d : distances) shares.push_back(-d / (2 * variance));
      softmax({shares.data(), 1, kCenters}, {shares.data(), 1, kCenters});
      // 1 - r <= (K - 1) exp(-gap / 2 sigma^2): each other center has at most that of the next one.
      EXPECT_GE(shares[nearest], 1 - (kCenters - 1) * std::exp(-gap / (2 * variance)) - 1e-15);
      if (gap / (2 * variance) < 746) continue;
      // exp(-746) is 0 in double: nothing is left for the others.
      for (std::size_t j = 0; j < kCenters; ++j) EXPECT_EQ(shares[j], j == nearest ? 1 : 0);
    }
  }
}

TEST(SoftKMeans, EmBecomesLloyd) {
  const TemporaryDirectory directory;
  std::istringstream printed(run_example(directory / "page.html"));
  std::string line;
  std::string answer;
  std::vector<double> distances;
  while (std::getline(printed, line)) {
    std::istringstream row(line);
    double variance = 0;
    double steps = 0;
    double softness = 0;
    double distance = 0;
    std::string last;
    if (!(row >> variance >> steps >> softness >> distance >> last)) continue;
    distances.push_back(distance);
    answer = last;
  }
  ASSERT_GE(distances.size(), 10U);
  EXPECT_GT(distances.front(), 0.1);
  EXPECT_TRUE(std::is_sorted(distances.rbegin(), distances.rend()));
  EXPECT_EQ(distances.back(), 0);
  EXPECT_EQ(answer, "yes");
  EXPECT_NE(read_file(directory / "page.html").find("<svg"), std::string::npos);
}

}  // namespace
}  // namespace partita::testing
