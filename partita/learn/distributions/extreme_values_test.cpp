// SPDX-License-Identifier: Apache-2.0
// GeneralizedPareto, GeneralizedExtremeValue, Frechet and Logistic: draws, gradients, ends. Their
// values are in golden.json.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/frechet.hpp"
#include "partita/learn/distributions/generalized_extreme_value.hpp"
#include "partita/learn/distributions/generalized_pareto.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/logistic.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::doubles;
using testing::kInfinity;
using testing::number;

constexpr double kConcentrations[] = {-1.5, -0.3, -1e-7, 0, 1e-3, 0.4, 3};

/// Beyond, the differences that gradients are compared with have no digits.
bool is_moderate(double c) { return -0.5 < c && c < 1; }

TEST(Logistic, DrawsAndGradients) {
  testing::expect_draws_follow_cdf(Logistic(number(2), 0.5));
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Logistic>(p[0], p[1]); }, {0.3, 2});
  testing::expect_gradient(
      [](const auto& p) {
        const Logistic q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.cdf(p[0]) +
               q.entropy();
      },
      {doubles({-30, 0.3, 8}), number(0.7), number(1.5)});
}

TEST(GeneralizedPareto, DrawsAndGradients) {
  for (const double c : kConcentrations) {
    testing::expect_draws_follow_cdf(GeneralizedPareto(number(1), 0.5, c), 50'000);
    if (!is_moderate(c)) continue;
    testing::expect_pathwise_gradient(
        [](const auto& p) { return std::make_shared<GeneralizedPareto>(p[0], p[1], p[2]); },
        {1, 0.5, c}, 1e-4);
    testing::expect_gradient(
        [](const auto& p) {
          const GeneralizedPareto q(p[1], p[2], p[3], false);
          return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]);
        },
        {doubles({1.01, 1.2, 1.3}), number(0.9), number(0.8), number(c)}, 1e-6);
  }
}

TEST(GeneralizedPareto, MeetsTheExponential) {
  const Tensor x = doubles({1e-8, 0.3, 7, 700});
  const Tensor expected = Exponential(number(2)).log_prob(x);
  for (const double c : {0.0, 1e-18, -1e-18}) {
    EXPECT_TRUE(at::allclose(GeneralizedPareto(number(0), 0.5, c).log_prob(x), expected, 1e-14));
  }
}

TEST(GeneralizedExtremeValue, DrawsAndGradients) {
  for (const double c : kConcentrations) {
    testing::expect_draws_follow_cdf(GeneralizedExtremeValue(number(1), 0.5, c), 50'000);
    if (!is_moderate(c)) continue;
    testing::expect_pathwise_gradient(
        [](const auto& p) { return std::make_shared<GeneralizedExtremeValue>(p[0], p[1], p[2]); },
        {1, 0.5, c}, 1e-4);
    testing::expect_gradient(
        [](const auto& p) {
          const GeneralizedExtremeValue q(p[1], p[2], p[3], false);
          return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.entropy();
        },
        {doubles({0.8, 1.2, 1.3}), number(0.9), number(0.8), number(c)}, 1e-6);
  }
}

TEST(GeneralizedExtremeValue, MomentsHaveGradients) {
  for (const double c : {-1.2, -0.05, 0.0, 0.03, 0.3}) {
    testing::expect_gradient(
        [](const auto& p) {
          const GeneralizedExtremeValue q(number(1), 2, p[0]);
          return q.mean() + q.variance();
        },
        {number(c)}, 1e-6);
  }
}

TEST(Frechet, DrawsAndGradients) {
  testing::expect_draws_follow_cdf(Frechet(number(2), 1.5));
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Frechet>(p[0], p[1]); }, {2, 1.5});
  testing::expect_gradient(
      [](const auto& p) {
        const Frechet q(p[1], p[2]);
        return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.entropy() + q.mean() +
               q.variance() + q.mode();
      },
      {doubles({0.3, 1, 20}), number(0.7), number(2.5)});
}

TEST(Frechet, IsAGeneralizedExtremeValue) {
  const Tensor x = doubles({0.3, 1, 20, 1e9});
  const Frechet q(number(2), 1.5);
  const GeneralizedExtremeValue same(number(2), 2 / 1.5, 1 / 1.5);
  EXPECT_TRUE(at::allclose(q.log_prob(x), same.log_prob(x), 1e-12));
  EXPECT_TRUE(at::allclose(q.log_survival(x), same.log_survival(x), 1e-12));
  EXPECT_NEAR(q.variance().masked_fill(q.variance() == kInfinity, 0).item<double>(), 0, 0);
}

TEST(Extremes, EndsOfTheSupport) {
  // A draw that equals the end was rounded: its log_prob is finite.
  for (const double c : {-0.3, -1.5}) {
    const GeneralizedPareto q(number(0), 1, c);
    const Tensor end = q.icdf(number(1));
    EXPECT_NEAR(end.item<double>(), -1 / c, 1e-15);
    EXPECT_TRUE(q.log_prob(end).isfinite().item<bool>());
    EXPECT_EQ(q.cdf(end).item<double>(), 1);
    const GeneralizedExtremeValue g(number(0), 1, c);
    EXPECT_TRUE(g.log_prob(g.icdf(number(1))).isfinite().item<bool>());
    EXPECT_EQ(g.log_survival(g.icdf(number(1))).item<double>(), -kInfinity);
  }
  const GeneralizedExtremeValue f(number(0), 1, 0.5);
  EXPECT_EQ(f.icdf(number(0)).item<double>(), -2);
  EXPECT_LT(f.log_prob(number(-2)).item<double>(), -1e30);  // the density is 0
  EXPECT_EQ(f.cdf(number(-2)).item<double>(), 0);
}

TEST(Extremes, DrawsOfSinglePrecisionHaveADensity) {
  for (const double c : {-20., -1.5, -0.3, 0., 0.4, 3., 50.}) {
    const Tensor concentration = at::full({100'000}, c, at::kFloat);
    const GeneralizedPareto q(0, 1, concentration);
    EXPECT_TRUE(q.log_prob(q.sample(Stream{})).isfinite().all().item<bool>()) << c;
    const GeneralizedExtremeValue g(0, 1, concentration);
    EXPECT_TRUE(g.log_prob(g.sample(Stream{})).isfinite().all().item<bool>()) << c;
  }
}

TEST(Extremes, DrawsOfHugeScalesStayInTheSupport) {
  for (const double c : {-0.5, 0., 1e-3, 1., 30.}) {
    const Tensor concentration = at::full({1000}, c, at::kFloat);
    for (const double scale : {1e30, 2e34, 1e38}) {
      const GeneralizedPareto q(0, scale, concentration);
      const Tensor draws = q.sample(Stream{});
      EXPECT_TRUE((draws >= 0).all().item<bool>()) << c << ' ' << scale;
      EXPECT_TRUE((draws <= std::numeric_limits<float>::max()).all().item<bool>());
      const GeneralizedExtremeValue g(0, scale, concentration);
      const Tensor extremes = g.sample(Stream{});
      EXPECT_TRUE(g.support().check(extremes).all().item<bool>()) << c << ' ' << scale;
      EXPECT_GT((extremes > 0).sum().item<std::int64_t>(), 500) << c << ' ' << scale;
    }
  }
}

}  // namespace
}  // namespace partita::distributions
