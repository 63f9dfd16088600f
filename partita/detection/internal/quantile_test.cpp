// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/quantile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace partita {
namespace {

TEST(Quantile, IsTheSortedValueOfItsRank) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(1000);
  for (double& x : values) x = normal(random) * std::exp(20 * normal(random));
  for (std::size_t i = 0; i < 300; ++i) values[i * 3] = std::round(values[i * 3] * 4) / 4;  // ties
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const Rows rows(values.data(), 50, 20);
  for (const std::size_t rank : {1U, 2U, 37U, 500U, 900U, 999U, 1000U}) {
    const double share = static_cast<double>(rank) / 1000;
    EXPECT_EQ(quantile(rows, share), sorted[rank - 1]) << rank;
    EXPECT_EQ(quantile(rows, share - 1e-6), sorted[rank - 1]) << rank;
  }
  EXPECT_EQ(quantile(rows, 0), sorted.front());
}

TEST(Quantile, OfFloatsIsOneOfThem) {
  const std::vector<float> values = {-0.1F, 3e-40F, 0.3F, -7, 1e30F, 0};
  const Rows rows(values.data(), 3, 2);
  EXPECT_EQ(quantile(rows, 1), 1e30F);
  EXPECT_EQ(quantile(rows, 0.5), 0);
  EXPECT_EQ(quantile(rows, 0.3), -0.1F);
  EXPECT_EQ(quantile(rows, 0.66), 3e-40F);
}

}  // namespace
}  // namespace partita
