// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/transformed_distribution.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/log_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/learn/distributions/uniform.hpp"
#include "partita/learn/distributions/vector_transforms.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;

using testing::number;

TransformedDistribution logistic(const Tensor& loc, const Tensor& scale) {
  return {Uniform(number(0), 1), {SigmoidTransform().inv(), AffineTransform(loc, scale)}};
}

TEST(TransformedDistribution, IsWhatItIsMadeOf) {
  const TransformedDistribution q(Normal(number(0.5), 0.7), {ExpTransform()});
  const LogNormal expected(number(0.5), 0.7);
  const Tensor x = at::tensor({0.01, 0.4, 1., 7., 1e200}, at::kDouble);
  EXPECT_TRUE(at::allclose(q.log_prob(x), expected.log_prob(x), 1e-13));
  EXPECT_TRUE(at::allclose(q.cdf(x), expected.cdf(x), 1e-13));
  EXPECT_TRUE(at::allclose(q.log_survival(x), expected.log_survival(x), 1e-13));
  EXPECT_TRUE(at::allclose(q.icdf(number(0.3)), expected.icdf(number(0.3)), 1e-13));
  EXPECT_TRUE(q.sample({9}, Stream{}).equal(expected.sample({9}, Stream{})));
}

TEST(TransformedDistribution, Draws) {
  testing::expect_draws_follow_cdf(logistic(number(2), number(0.5)));
  testing::expect_draws_follow_cdf(logistic(number(2), number(-0.5)));
}

TEST(TransformedDistribution, PathwiseGradient) {
  for (const double scale : {0.5, -0.5}) {
    testing::expect_pathwise_gradient(
        [](const auto& p) {
          return std::make_shared<TransformedDistribution>(
              Normal(p[0], 1.5),
              std::vector<AnyTransform>{AffineTransform(p[1], p[2]), ExpTransform()});
        },
        {0.3, 2, scale});
  }
}

TEST(TransformedDistribution, FallingTransformsKeepTails) {
  const TransformedDistribution q(Normal(number(0), 1), {AffineTransform(number(0), -1.)});
  // log Phi(-40), mpmath.
  EXPECT_NEAR(q.log_cdf(number(-40)).item<double>(), -804.6084420137538, 1e-10);
  EXPECT_NEAR(q.log_survival(number(40)).item<double>(), -804.6084420137538, 1e-10);
  EXPECT_GT(q.cdf(number(-30)).item<double>(), 0);
  EXPECT_NEAR(q.icdf(number(0.2)).item<double>(),
              Normal(number(0), 1).icdf(number(0.2)).item<double>(), 1e-14);
  // Each element by its own sign.
  const TransformedDistribution both(
      Normal(number(0), 1), {AffineTransform(number(0), at::tensor({1., -1.}, at::kDouble))});
  EXPECT_EQ(both.batch_shape(), IntArrayRef({2}));
  EXPECT_TRUE(at::allclose(both.cdf(number(0.7)), q.cdf(number(0.7)).expand({2})));
}

TEST(TransformedDistribution, EndsOfTheSupport) {
  const TransformedDistribution q(Normal(number(0), 1), {SigmoidTransform()});
  EXPECT_TRUE(q.log_prob(at::tensor({0., 1.}, at::kDouble)).isfinite().all().item<bool>());
  const TransformedDistribution cube(Normal(number(0), 1, false), {ExpTransform()}, false);
  EXPECT_EQ(cube.log_prob(number(0)).item<double>(), -kInfinity);  // Python: NaN
}

TEST(TransformedDistribution, ShapesAreThoseOfPython) {
  const TransformedDistribution simplex(Normal(at::zeros({5, 3}), 1), {StickBreakingTransform()});
  EXPECT_EQ(simplex.batch_shape(), IntArrayRef({5}));
  EXPECT_EQ(simplex.event_shape(), IntArrayRef({4}));
  const Tensor y = simplex.sample({2}, Stream{});
  EXPECT_EQ(y.sizes(), IntArrayRef({2, 5, 4}));
  EXPECT_EQ(simplex.log_prob(y).sizes(), IntArrayRef({2, 5}));
  EXPECT_EQ(simplex.expand({6, 5})->sample(Stream{}).sizes(), IntArrayRef({6, 5, 4}));

  const TransformedDistribution wide(Normal(0, 1), {AffineTransform(at::zeros({3}), 2)});
  EXPECT_EQ(wide.batch_shape(), IntArrayRef({3}));
  EXPECT_EQ(wide.rsample({4}, Stream{}).sizes(), IntArrayRef({4, 3}));
  EXPECT_EQ(wide.to_string(),
            "TransformedDistribution(Normal(loc: [3], scale: [3]), "
            "ComposeTransform([AffineTransform]))");

  EXPECT_EQ(message_of<InvalidArgument>(
                [] { TransformedDistribution(Normal(0, 1), {StickBreakingTransform()}); }),
            "base: TransformedDistribution: expected 1 dimensions or more for "
            "ComposeTransform([StickBreakingTransform]), got Normal(loc: 0, scale: 1)");
}

TEST(TransformedDistribution, SimplexDensityHasMassOne) {
  // Over a grid of the two first coordinates; the density is smooth and vanishes at the edges.
  const TransformedDistribution q(Normal(at::tensor({0.2, -0.3}, at::kDouble), 0.7),
                                  {StickBreakingTransform()});
  constexpr std::int64_t kSteps = 400;
  const Tensor side = (at::arange(kSteps, at::kDouble) + 0.5) / kSteps;
  const Tensor first = side.unsqueeze(1).expand({kSteps, kSteps}).flatten();
  const Tensor second = side.unsqueeze(0).expand({kSteps, kSteps}).flatten();
  const Tensor inside = first + second < 1;
  const Tensor a = first.masked_select(inside);
  const Tensor b = second.masked_select(inside);
  const Tensor mass = q.log_prob(at::stack({a, b, 1 - a - b}, -1)).exp().sum() / (kSteps * kSteps);
  EXPECT_NEAR(mass.item<double>(), 1, 1e-4);
}

// Expected values: mpmath.

TEST(TransformedDistribution, FallingTransformsOfCounts) {
  const TransformedDistribution q(Poisson(number(3)), {AffineTransform(0, -1)});
  // P(-X <= -3) = P(X >= 3)
  EXPECT_NEAR(q.cdf(number(-3)).item<double>(), 0.576809918873156, 1e-14);
  EXPECT_NEAR(q.log_survival(number(-3)).exp().item<double>(), 0.423190081126844, 1e-14);
  EXPECT_NEAR(q.log_prob(number(-3)).exp().item<double>(), 0.224041807655388, 1e-14);
  EXPECT_EQ(q.cdf(number(0)).item<double>(), 1);
  EXPECT_EQ(q.log_survival(number(0)).item<double>(), -kInfinity);
  EXPECT_NEAR(q.entropy().item<double>(), Poisson(number(3)).entropy().item<double>(), 0);
}

TEST(TransformedDistribution, ScalingCountsChangesNoProbability) {
  const TransformedDistribution q(Poisson(number(3)), {AffineTransform(1, 2)}, false);
  const Tensor y = 1 + 2 * at::arange(60, at::kDouble);
  EXPECT_NEAR(q.log_prob(y).exp().sum().item<double>(), 1, 1e-14);
  EXPECT_EQ(q.log_prob(number(2)).item<double>(), -kInfinity);  // between two values
  EXPECT_NEAR(q.cdf(number(2)).item<double>(), std::exp(-3), 1e-16);
  EXPECT_EQ(q.cdf(number(0)).item<double>(), 0);
  EXPECT_NEAR(q.mean().item<double>(), 7, 1e-15);
  EXPECT_NEAR(q.variance().item<double>(), 12, 1e-14);
}

TEST(TransformedDistribution, ValuesOfCountsMayBeRounded) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const TransformedDistribution q(
        Poisson(at::full({}, 300.0, type)),
        {AffineTransform(at::full({}, 0.1, type), at::full({}, 0.03, type)), ExpTransform()});
    const Tensor y = q.sample({1000}, Stream{});
    EXPECT_TRUE(q.log_prob(y).isfinite().all().item<bool>());
    EXPECT_TRUE(q.icdf(q.cdf(y)).equal(y));
  }
}

TEST(TransformedDistribution, OwnDrawsAreInTheSupport) {
  // (loc + scale x - loc) / scale may leave [0, 1] by a rounding.
  const Tensor loc = at::full({10'000}, 0.1F);
  const TransformedDistribution q(Uniform(0, 1), {AffineTransform(loc, 0.3)});
  EXPECT_TRUE(q.log_prob(q.sample(Stream{})).isfinite().all().item<bool>());
  EXPECT_TRUE(q.log_prob(q.icdf(at::ones({}))).isfinite().all().item<bool>());
}

TEST(TransformedDistribution, SmallTailsOfFallingTransforms) {
  const TransformedDistribution q(Normal(at::zeros({}), 1), {AffineTransform(0, -1)});
  EXPECT_NEAR(q.icdf(at::full({}, 1e-8F)).item<double>(), -5.612001244174788, 1e-6);
  EXPECT_NEAR(q.isf(at::full({}, 1e-8F)).item<double>(), 5.612001244174788, 1e-6);
}

TEST(TransformedDistribution, MomentsOfAffineTransforms) {
  const Tensor scale = doubles({2, -3});
  const TransformedDistribution q(Gumbel(number(1), 2),
                                  {AffineTransform(5, scale), AffineTransform(-1, 4)});
  const Gumbel base(number(1), 2);
  EXPECT_TRUE(at::allclose(q.mean(), -1 + 4 * (5 + scale * base.mean())));
  EXPECT_TRUE(at::allclose(q.variance(), (4 * scale).square() * base.variance()));
  EXPECT_TRUE(at::allclose(q.entropy(), base.entropy() + (4 * scale).abs().log()));
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { (void)TransformedDistribution(Normal(0, 1), {ExpTransform()}).mean(); }),
            "mean: not available for TransformedDistribution: its transforms are not all affine");
}

TEST(TransformedDistribution, MessagesNameWhatWasBuilt) {
  const TransformedDistribution q(Poisson(3), {AffineTransform(1, 2)});
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)q.log_prob(at::full({}, 2.0)); }),
      "value: TransformedDistribution(Poisson(rate: 3), ComposeTransform([AffineTransform])): "
      "expected ComposeTransform([AffineTransform]) of a whole number >= 0, got 2");
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)q.rsample(Stream{}); }),
            "rsample: not available for TransformedDistribution: its draws have no gradient; use "
            "sample() with a score-function estimator");
  // Without validation nothing is refused, by the base either.
  const TransformedDistribution unchecked(Gamma(2, 1), {AffineTransform(0, -1)}, false);
  EXPECT_EQ(unchecked.log_prob(at::ones({})).item<double>(), -kInfinity);
  EXPECT_EQ(unchecked.cdf(at::ones({})).item<double>(), 1);
  EXPECT_EQ(unchecked.log_survival(at::ones({})).item<double>(), -kInfinity);
}

}  // namespace
}  // namespace partita::distributions
