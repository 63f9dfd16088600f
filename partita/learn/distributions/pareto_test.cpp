// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/pareto.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::expect_equal;
using testing::kInfinity;

using testing::number;

TEST(Pareto, Draws) { testing::expect_draws_follow_cdf(Pareto(number(1.5), 0.7)); }

TEST(Pareto, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Pareto>(p[0], p[1], false); }, {2, 3});
}

// Expected values: mpmath, 50 digits.
TEST(Pareto, ValuesAndTails) {
  const Pareto q(number(2), 3.5);
  expect_equal(q.log_cdf(number(2 + 0x1p-39)), -26.473124253904491);
  expect_equal(q.log_prob(number(1e100)), -1032.4845137468654);
  expect_equal(q.log_survival(number(1e100)), -3.5 * (100 * std::log(10) - std::log(2)));
  expect_equal(q.mean(), 2.8);
  expect_equal(q.variance(), 1.4933333333333333);
  expect_equal(q.entropy(), 0.72609849777886302);
  expect_equal(q.icdf(q.cdf(number(3))), 3);
  EXPECT_EQ(q.cdf(number(2)).item<double>(), 0);
  EXPECT_EQ(q.icdf(number(0)).item<double>(), 2);
  EXPECT_EQ(q.icdf(number(1)).item<double>(), kInfinity);
  EXPECT_EQ(q.log_prob(number(kInfinity)).item<double>(), -kInfinity);
}

TEST(Pareto, MomentsThatDoNotExistAreInfinite) {
  const Tensor alpha = at::tensor({0.5, 1., 1.5, 2., 3.}, at::kDouble).set_requires_grad(true);
  const Pareto q(1, alpha);
  EXPECT_TRUE(q.mean().isinf().equal(at::tensor({1, 1, 0, 0, 0}).to(at::kBool)));
  EXPECT_TRUE(q.variance().isinf().equal(at::tensor({1, 1, 1, 1, 0}).to(at::kBool)));
  EXPECT_TRUE((q.mean() > 0).all().item<bool>());
  q.mean().slice(0, 2).sum().backward();
  EXPECT_FALSE(alpha.grad().isnan().any().item<bool>());
}

TEST(Pareto, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        const Pareto q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.mean() + q.variance() +
               q.entropy();
      },
      {at::tensor({2.1, 5., 90.}, at::kDouble), number(2), number(3.5)});
}

TEST(Pareto, SupportStartsAtScale) {
  EXPECT_EQ(message_of<InvalidArgument>([] { (void)Pareto(2, 1).log_prob(number(1)); }),
            "value: Pareto(scale: 2, alpha: 1): expected a number >= scale, got 1");
}

}  // namespace
}  // namespace partita::distributions
