// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/kumaraswamy.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::expect_equal;
using testing::kInfinity;
using testing::number;

TEST(Kumaraswamy, Draws) {
  testing::expect_draws_follow_cdf(Kumaraswamy(number(2), 5));
  testing::expect_draws_follow_cdf(Kumaraswamy(number(0.3), 0.4));
}

TEST(Kumaraswamy, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Kumaraswamy>(p[0], p[1]); }, {2, 3});
}

// Expected values: mpmath, 50 digits; the entropy also by quadrature.
TEST(Kumaraswamy, ValuesAndTails) {
  constexpr double kTolerance = 1e-13;
  const Kumaraswamy q(number(5), 3);
  expect_equal(q.log_prob(number(1e-100)), -918.32598699651606, kTolerance);
  expect_equal(q.log_prob(number(0.3)), -2.1127069306849398, kTolerance);
  expect_equal(q.log_prob(number(0.999)), -7.8965865326611308, kTolerance);
  expect_equal(q.log_cdf(number(1e-100)), std::log(3) - 500 * std::log(10), kTolerance);
  expect_equal(q.log_cdf(number(0.3)), -4.9236827171105999, kTolerance);
  expect_equal(q.log_cdf(number(0.999)), -1.2425225335037962e-7, kTolerance);
  expect_equal(q.log_survival(number(0.3)), -0.0072988717251088235, kTolerance);
  expect_equal(q.log_survival(number(0.999)), -15.900952098643510, kTolerance);
  expect_equal(q.icdf(q.cdf(number(0.3))), 0.3, kTolerance);
  expect_equal(q.mean(), 0.71022727272727273, kTolerance);
  expect_equal(q.variance(), 0.020787305107993611, kTolerance);
  expect_equal(q.mode(), 0.77837054155117081, kTolerance);
  expect_equal(q.entropy(), -0.57471686776887673, kTolerance);
}

TEST(Kumaraswamy, EndsOfTheSupport) {
  const Tensor ends = at::tensor({0., 1.}, at::kDouble);
  const auto log_prob = [&](double a, double b) {
    return Kumaraswamy(number(a), b).log_prob(ends);
  };
  EXPECT_TRUE(log_prob(2, 3).equal(at::full({2}, -kInfinity, at::kDouble)));
  EXPECT_TRUE(log_prob(0.5, 0.5).equal(at::full({2}, kInfinity, at::kDouble)));
  EXPECT_TRUE(log_prob(1, 1).equal(at::zeros({2}, at::kDouble)));  // uniform
  const Kumaraswamy q(number(0.5), 4);
  EXPECT_TRUE(q.cdf(ends).equal(ends));
  EXPECT_TRUE(q.icdf(ends).equal(ends));
  EXPECT_EQ(q.log_cdf(ends)[0].item<double>(), -kInfinity);
  EXPECT_EQ(q.log_survival(ends)[1].item<double>(), -kInfinity);
  EXPECT_TRUE(std::isnan(q.mode().item<double>()));
  EXPECT_EQ(Kumaraswamy(number(1), 2).mode().item<double>(), 0);
}

TEST(Kumaraswamy, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        const Kumaraswamy q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.mean() + q.mode() +
               q.variance() + q.entropy();
      },
      {at::tensor({0.1, 0.5, 0.9}, at::kDouble), number(1.7), number(2.6)});
}

}  // namespace
}  // namespace partita::distributions
