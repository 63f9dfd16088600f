// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/gumbel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "partita/gumbel/gumbel.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::kInfinity;
TEST(GumbelTensor, Draws) { testing::expect_draws_follow_cdf(Gumbel(1.5, 0.3)); }

TEST(GumbelTensor, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Gumbel>(p[0], p[1]); }, {0.5, 2});
}

TEST(GumbelTensor, EqualsTheCoreInBothTails) {
  const Gumbel gumbel(at::scalar_tensor(0.25, at::kDouble), 1.5);
  for (const double x :
       {-kInfinity, -2000., -700., -9., -5., -1., 0., 0.3, 3., 30., 61., 700., 5000., kInfinity}) {
    const Tensor at_x = at::scalar_tensor(x, at::kDouble);
    const auto near = [&](const Tensor& actual, double expected) {
      EXPECT_TRUE(actual.item<double>() == expected ||
                  std::abs(actual.item<double>() - expected) <= 1e-14 * std::abs(expected))
          << actual.item<double>() << " not " << expected << " at " << x;
    };
    near(gumbel.log_prob(at_x), gumbel_log_prob(x, 0.25, 1.5));
    near(gumbel.cdf(at_x), gumbel_cdf(x, 0.25, 1.5));
    near(gumbel.log_cdf(at_x), gumbel_log_cdf(x, 0.25, 1.5));
    near(gumbel.log_survival(at_x), gumbel_log_survival(x, 0.25, 1.5));
  }
  for (const double u : {0., 1e-300, 0.1, 0.5, 1 - 0x1p-53, 1.}) {
    EXPECT_DOUBLE_EQ(gumbel.icdf(at::scalar_tensor(u, at::kDouble)).item<double>(),
                     gumbel_icdf(u, 0.25, 1.5));
  }
}

TEST(GumbelTensor, GradientsOfTheTailsAreFinite) {
  const Tensor x = at::tensor({-6., 0., 39., 41., 900.}, at::kDouble).set_requires_grad(true);
  Gumbel(0., 1).log_survival(x).sum().backward();
  // d log S / dx = -density / S, which tends to -1.
  EXPECT_TRUE(at::allclose(x.grad().slice(0, 2), -at::ones({3}, at::kDouble), 1e-12, 0));
  EXPECT_NEAR(x.grad()[1].item<double>(), -std::exp(-1) / (1 - std::exp(-1)), 1e-15);
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(GumbelTensor, SinglePrecisionHasTheWholeTail) {
  // From uniforms of single precision Gumbels end at 15.9, however many. Of 2^24 draws the largest
  // is over 16 with probability 0.85; these seeds are two of those. Over 10 are 761.7 on average.
  const Gumbel gumbel(at::zeros({}, at::kFloat), 1);
  for (const Random& random : {Random(Stream{.seed = 1}), Random(testing::torch_generator(1))}) {
    double largest = 0;
    double over_ten = 0;
    for (int i = 0; i < 4; ++i) {
      const Tensor draws = gumbel.sample({std::int64_t{1} << 22}, random);
      largest = std::max(largest, draws.max().item<double>());
      over_ten += (draws > 10).sum().item<double>();
    }
    EXPECT_GT(largest, 16);
    EXPECT_NEAR(over_ten, 761.7, 5 * std::sqrt(761.7));
  }
}

}  // namespace
}  // namespace partita::distributions
