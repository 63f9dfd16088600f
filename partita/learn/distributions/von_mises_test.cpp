// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/von_mises.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::number;

TEST(VonMises, Draws) {
  testing::expect_draws_follow_cdf(VonMises(number(0), 1e-3), 100'000);
  testing::expect_draws_follow_cdf(VonMises(number(2), 1.5), 100'000);
  testing::expect_draws_follow_cdf(VonMises(number(-3), 20), 100'000);
  testing::expect_draws_follow_cdf(VonMises(number(1), 1e5), 100'000);
}

TEST(VonMises, DrawsAreAngles) {
  const Tensor draws = VonMises(number(3), 2).sample({10'000}, Stream{.seed = 2});
  EXPECT_GE(draws.min().item<double>(), -std::numbers::pi);
  EXPECT_LE(draws.max().item<double>(), std::numbers::pi);
}

TEST(VonMises, PathwiseGradient) {
  const auto make = [](const auto& p) { return std::make_shared<VonMises>(p[0], p[1]); };
  testing::expect_pathwise_gradient(make, {0.5, 0.1});
  testing::expect_pathwise_gradient(make, {0.5, 3});
  testing::expect_pathwise_gradient(make, {0.5, 200});
}

TEST(VonMises, AgainstValuesOfMpmath) {
  const VonMises d(number(0.5), 3);
  EXPECT_NEAR(d.log_prob(number(2)).item<double>(), -3.2109730832196577, 1e-14);
  EXPECT_NEAR(d.log_prob(number(2 + 4 * std::numbers::pi)).item<double>(), -3.2109730832196577,
              1e-13);
  EXPECT_NEAR(d.variance().item<double>(), 0.19001470604349547, 1e-15);
  EXPECT_NEAR(d.entropy().item<double>(), 0.99322880635325282, 1e-14);
  EXPECT_NEAR(d.cdf(number(2)).item<double>(), 0.9855393015971802, 1e-14);
  EXPECT_NEAR(VonMises(number(0), 1e4).log_prob(number(1)).item<double>(), -4593.2907221664445,
              1e-11);
  EXPECT_NEAR(VonMises(number(0), 1e4).log_survival(number(1)).item<double>(), -4602.3285350694585,
              1e-11);
}

}  // namespace
}  // namespace partita::distributions
