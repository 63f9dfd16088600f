// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/truncated_gumbel.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/softmax/scalar.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::kInfinity;

using testing::number;

TEST(TruncatedGumbelTensor, Draws) {
  // The bound far below loc, around it, far above and absent.
  for (const double maximum : {-3., 0.5, 4., kInfinity}) {
    const TruncatedGumbel q(number(0.25), 1.5, maximum);
    testing::expect_draws_follow_cdf(q);
    EXPECT_LE(q.sample({100'000}, Stream{}).max().item<double>(), maximum);
  }
}

TEST(TruncatedGumbelTensor, PathwiseGradient) {
  for (const double maximum : {-2., 0.5, 4.}) {
    testing::expect_pathwise_gradient(
        [](const auto& p) { return std::make_shared<TruncatedGumbel>(p[0], p[1], p[2], false); },
        {0.25, 1.5, maximum}, 1e-4);
  }
}

// The core is held to 50-digit values.
TEST(TruncatedGumbelTensor, EqualsTheCore) {
  for (const double loc : {0., 700., -700., 2000.}) {
    const TruncatedGumbel q(number(loc), 1, 0.);
    for (const double x : {-kInfinity, -710., -650., -20., -0.5, -1e-3, -1e-300, 0.}) {
      const double expected = truncated_gumbel_log_cdf(x, loc, 0);
      const Tensor at_x = number(x);
      EXPECT_DOUBLE_EQ(q.log_cdf(at_x).item<double>(), expected) << loc << ", " << x;
      EXPECT_DOUBLE_EQ(q.log_survival(at_x).item<double>(), log1mexp(expected));
      EXPECT_DOUBLE_EQ(q.log_prob(at_x).item<double>(),
                       x == -kInfinity ? -kInfinity : loc - x + expected);
      EXPECT_DOUBLE_EQ(q.cdf(at_x).item<double>(), truncated_gumbel_cdf(x, loc, 0));
    }
    for (const double u : {0., 1e-300, 0.1, 0.9, 1 - 0x1p-53, 1.}) {
      EXPECT_DOUBLE_EQ(q.icdf(number(u)).item<double>(), truncated_gumbel_icdf(u, loc, 0));
    }
  }
}

TEST(TruncatedGumbelTensor, WithoutABoundIsGumbel) {
  const TruncatedGumbel q(number(0.25), 1.5, kInfinity);
  const Gumbel gumbel(number(0.25), 1.5);
  const Tensor x = at::tensor({-3., 0., 7., 60.}, at::kDouble);
  EXPECT_TRUE(at::allclose(q.log_prob(x), gumbel.log_prob(x), 1e-14));
  EXPECT_TRUE(at::allclose(q.log_cdf(x), gumbel.log_cdf(x), 1e-14));
  EXPECT_TRUE(at::allclose(q.mean(), gumbel.mean(), 1e-14));
  EXPECT_TRUE(at::allclose(q.entropy(), gumbel.entropy(), 1e-14));
  EXPECT_TRUE(q.mode().equal(gumbel.mode()));
}

// Expected values: mpmath, 50 digits; the second also by quadrature.
TEST(TruncatedGumbelTensor, MeanAndEntropy) {
  struct Case {
    double loc, scale, maximum, mean, entropy;
  };
  for (const Case& c : std::initializer_list<Case>{
           {0, 1, 0, -0.59634736232319407, 0.40365263767680593},
           {0.25, 1.5, -3, -3.1555757548385296, -0.86491872845085533},
           {0, 1, -0.6931, -1.0544417022621836, -0.054441702262183625},  // where the series ends
           {0, 1, -0.7, -1.0594319783327528, -0.059431978332752809},     // and the fraction begins
           {0, 1, 30, 0.57721566489868601, 1.5772156648986860},
           {0, 1, -60, -60, -59}}) {
    const TruncatedGumbel q(number(c.loc), c.scale, c.maximum);
    EXPECT_NEAR(q.mean().item<double>(), c.mean, 4e-15 * std::max(1., std::abs(c.mean)));
    EXPECT_NEAR(q.entropy().item<double>(), c.entropy, 4e-15 * std::max(1., std::abs(c.entropy)));
    EXPECT_EQ(q.mode().item<double>(), std::min(c.loc, c.maximum));
  }
}

TEST(TruncatedGumbelTensor, Gradients) {
  for (const double maximum : {-1., 0.4, 3.}) {
    testing::expect_gradient(
        [](const auto& p) {
          const TruncatedGumbel q(p[1], p[2], p[3]);
          return q.log_prob(p[0]) + q.log_cdf(p[0]) + q.log_survival(p[0]) + q.mean() + q.entropy();
        },
        {at::tensor({-4., -2., -1.5}, at::kDouble), number(0.25), number(1.5), number(maximum)});
  }
}

TEST(TruncatedGumbelTensor, GradientsAreFiniteAtTheExtremes) {
  for (const double bound : {-2000., -700., 0., 700., kInfinity}) {
    Tensor loc = number(0).set_requires_grad(true);
    Tensor scale = number(1).set_requires_grad(true);
    Tensor maximum = number(bound).set_requires_grad(true);
    const TruncatedGumbel q(loc, scale, maximum);
    (q.rsample({100}, Stream{}).sum() + q.mean() + q.entropy()).backward();
    for (const Tensor& leaf : {loc, scale, maximum}) {
      EXPECT_TRUE(leaf.grad().isfinite().item<bool>()) << bound;
    }
  }
}

TEST(TruncatedGumbelTensor, NamesWhatIsWrong) {
  EXPECT_EQ(message_of<InvalidArgument>([] { (void)TruncatedGumbel(0, 1, 2).cdf(number(3)); }),
            "value: TruncatedGumbel(loc: 0, scale: 1, maximum: 2): expected a number in (-inf, "
            "maximum], got 3");
  EXPECT_EQ(message_of<InvalidArgument>([] { TruncatedGumbel(0, 1, -kInfinity); }),
            "maximum: TruncatedGumbel: expected a number > -inf, got -inf");
  EXPECT_EQ(TruncatedGumbel(number(0), 1, 2, false).log_prob(number(3)).item<double>(), -kInfinity);
}

}  // namespace
}  // namespace partita::distributions
