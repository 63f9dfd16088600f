// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/log_normal.hpp"

#include <gtest/gtest.h>

#include <limits>

#include <cmath>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::kInfinity;
using testing::number;

TEST(LogNormal, Draws) { testing::expect_draws_follow_cdf(LogNormal(number(1.5), 0.3)); }

TEST(LogNormal, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<LogNormal>(p[0], p[1]); }, {0.5, 0.7});
}

// Expected values: mpmath, 50 digits.
TEST(LogNormal, TailsKeepTheirDigits) {
  const LogNormal q(number(0.5), 2);
  EXPECT_NEAR(q.log_prob(number(1e-300)).item<double>(), -59043.568491684805, 1e-10);
  EXPECT_NEAR(q.log_survival(number(1e200)).item<double>(), -26458.314248806836, 1e-10);
  // exp(s^2) - 1, as Python has it, keeps 4 digits of this.
  EXPECT_NEAR(LogNormal(number(0), 1e-6).variance().item<double>() / 1.0000000000015e-12, 1, 1e-14);
  EXPECT_DOUBLE_EQ(q.icdf(q.cdf(number(3))).item<double>(), 3);
}

TEST(LogNormal, ZeroIsAValue) {
  const LogNormal q(number(-1000), 1);
  // Every draw underflows, to where log_prob is finite.
  EXPECT_NEAR(q.sample(Stream{}).item<double>() / std::numeric_limits<double>::min(), 1, 1e-5);
  EXPECT_TRUE(std::isfinite(q.log_prob(q.sample(Stream{})).item<double>()));
  const Tensor x = number(0);
  EXPECT_EQ(q.log_prob(x).item<double>(), -kInfinity);
  EXPECT_EQ(q.cdf(x).item<double>(), 0);
  EXPECT_EQ(q.log_survival(x).item<double>(), 0);
  EXPECT_EQ(q.log_prob(number(kInfinity)).item<double>(), -kInfinity);
}

TEST(LogNormal, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        const LogNormal q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.mean() + q.mode() +
               q.variance() + q.entropy();
      },
      {at::tensor({0.1, 1., 3.}, at::kDouble), number(0.7), number(0.6)});
}

}  // namespace
}  // namespace partita::distributions
