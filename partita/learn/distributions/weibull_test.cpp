// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/weibull.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::expect_equal;
using testing::kInfinity;
using testing::number;

TEST(Weibull, Draws) { testing::expect_draws_follow_cdf(Weibull(number(1.5), 0.7)); }

TEST(Weibull, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Weibull>(p[0], p[1]); }, {2, 3});
}

// Expected values: mpmath, 50 digits.
TEST(Weibull, ValuesAndTails) {
  const Weibull q(number(2), 1.5);
  expect_equal(q.log_cdf(number(1e-300)), -1037.2030126181605);
  expect_equal(q.log_survival(number(100)), -353.55339059327376);
  expect_equal(q.log_prob(number(0.5)), -1.1058292530117262);
  expect_equal(q.mean(), 1.8054905859018672);
  expect_equal(q.variance(), 1.5027611392557280);
  expect_equal(q.mode(), 0.96149971353827225);
  expect_equal(q.entropy(), 1.4800872940856252);
  expect_equal(q.icdf(q.cdf(number(3))), 3);
}

TEST(Weibull, Edges) {
  const Weibull q(at::ones({3}, at::kDouble), at::tensor({0.5, 1., 2.}, at::kDouble));
  EXPECT_TRUE(q.log_prob(number(0)).equal(at::tensor({kInfinity, 0., -kInfinity}, at::kDouble)));
  EXPECT_TRUE(q.mode().slice(0, 0, 2).equal(at::zeros({2}, at::kDouble)));
  EXPECT_TRUE(q.cdf(number(0)).equal(at::zeros({3}, at::kDouble)));
  EXPECT_TRUE((q.log_cdf(number(0)) == -kInfinity).all().item<bool>());
  EXPECT_TRUE((q.log_prob(number(kInfinity)) == -kInfinity).all().item<bool>());
  EXPECT_TRUE((q.icdf(number(1)) == kInfinity).all().item<bool>());
  EXPECT_EQ(Weibull(number(1), 0.001).variance().item<double>(), kInfinity);  // Python: NaN
}

TEST(Weibull, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        const Weibull q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.mean() + q.mode() +
               q.variance() + q.entropy();
      },
      {at::tensor({0.1, 1., 3.}, at::kDouble), number(2), number(1.5)});
}

}  // namespace
}  // namespace partita::distributions
