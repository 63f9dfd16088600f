// SPDX-License-Identifier: Apache-2.0
// LKJCholesky, Wishart and LogisticNormal: draws and gradients. Their values are in golden.json.
#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/lkj_cholesky.hpp"
#include "partita/learn/distributions/logistic_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/learn/distributions/wishart.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::number;

constexpr std::int64_t kMatrices = 100'000;

std::vector<Random> sources() { return {Stream{.seed = 6}, testing::torch_generator(6)}; }

TEST(LKJCholesky, CorrelationsHaveTheirMarginal) {
  // Each correlation r is 2 B - 1 with B ~ Beta(c - 1 + D / 2, the same) (Lewandowski 2009).
  for (const double c : {0.5, 1.0, 4.0}) {
    const LKJCholesky q(4, number(c));
    const Beta marginal(number(c + 1), number(c + 1));
    for (const Random& random : sources()) {
      const Tensor l = q.sample({kMatrices}, random);
      EXPECT_TRUE(constraints::corr_cholesky().check(l).all().item<bool>());
      const Tensor r = l.matmul(l.mT());
      for (const auto& [i, j] : {std::pair{1, 0}, {2, 1}, {3, 0}, {3, 2}}) {
        EXPECT_GT(testing::ks_p_value(marginal, (r.select(-2, i).select(-1, j) + 1) / 2),
                  kFalseAlarm)
            << c << " " << i << j;
      }
    }
  }
  testing::expect_prefix(LKJCholesky(3, number(0.7)));
}

TEST(LKJCholesky, DensityHasMassOne) {
  // For dim 2, over the correlation r: l_11 = sqrt(1 - r^2), dr / dr.
  for (const double c : {0.75, 1.0, 2.5}) {
    const LKJCholesky q(2, number(c));
    constexpr std::int64_t kSteps = 200'000;
    const Tensor t = (at::arange(kSteps, at::kDouble) + 0.5) / kSteps * M_PI - M_PI / 2;
    const Tensor zero = at::zeros_like(t);
    const Tensor l =
        at::stack({at::stack({zero + 1, zero}, -1), at::stack({t.sin(), t.cos()}, -1)}, -2);
    const Tensor mass = (q.log_prob(l).exp() * t.cos()).sum() * (M_PI / kSteps);
    EXPECT_NEAR(mass.item<double>(), 1, 1e-6) << c;
  }
}

TEST(LKJCholesky, Gradients) {
  const Tensor l = LKJCholesky(3, number(1)).sample(Stream{});
  testing::expect_gradient([&](const auto& p) { return LKJCholesky(3, p[0]).log_prob(l); },
                           {number(0.7)});
  // Of E |r|^2 = 1 / (2 c + D - 1), through draws.
  const Tensor c = number(1.5).requires_grad_(true);
  const Tensor r = LKJCholesky(3, c.expand({kMatrices})).rsample(Stream{});
  const Tensor square = r.select(-2, 1).select(-1, 0).square().mean();
  square.backward();
  EXPECT_NEAR(square.item<double>(), 1 / 5.0, 0.005);
  EXPECT_NEAR(c.grad().item<double>(), -2 / 25.0, 0.005);
  EXPECT_EQ(message_of<InvalidArgument>([] { LKJCholesky(1, 1); }),
            "dim: expected 2 or more, got 1");
}

TEST(Wishart, Draws) {
  const Tensor covariance = doubles({1, 0.5, 0.5, 2}).view({2, 2});
  const double df = 3.5;
  const Wishart q(number(df), covariance);
  for (const Random& random : sources()) {
    const Tensor x = q.sample({kMatrices}, random);
    // a' X a / a' S a is chi-squared.
    const Tensor a = doubles({1, -2});
    const Tensor form = x.matmul(a).matmul(a) / covariance.matmul(a).dot(a);
    EXPECT_GT(testing::ks_p_value(Chi2(number(df)), form), kFalseAlarm);
    // det X / det S is the product of chi-squared variables with df and df - 1 degrees of freedom:
    // given the first, X_00, the ratio is the second.
    const Tensor second = at::linalg_det(x) / x.select(-1, 0).select(-1, 0) /
                          (at::linalg_det(covariance) / covariance[0][0]);
    EXPECT_GT(testing::ks_p_value(Chi2(number(df - 1)), second), kFalseAlarm);
    const Tensor error = (x.mean(0) - q.mean()) / (q.variance() / kMatrices).sqrt();
    EXPECT_LT(error.abs().max().item<double>(), 5.5);
    const Tensor ratio = x.var(0) / q.variance();
    EXPECT_LT((ratio - 1).abs().max().item<double>(), 0.1);
  }
  testing::expect_prefix(q);
}

TEST(Wishart, FormsAgree) {
  const Tensor covariance = doubles({1, 0.5, 0.5, 2}).view({2, 2});
  const Tensor x = doubles({2, 0.3, 0.3, 1}).view({2, 2});
  const Tensor expected = Wishart(number(3), covariance).log_prob(x);
  EXPECT_TRUE(at::allclose(
      Wishart(number(3), ScaleTril(at::linalg_cholesky(covariance))).log_prob(x), expected, 1e-13));
  EXPECT_TRUE(
      at::allclose(Wishart(number(3), PrecisionMatrix(at::linalg_inv(covariance))).log_prob(x),
                   expected, 1e-13));
}

TEST(Wishart, Gradients) {
  const Tensor x = doubles({2, 0.3, 0.3, 1}).view({2, 2});
  testing::expect_gradient(
      [&](const auto& p) {
        const Wishart q(p[0], ScaleTril(p[1].tril()));
        return q.log_prob(x) + q.entropy();
      },
      {number(3.5), doubles({1.2, 0, 0.4, 0.7}).view({2, 2})});
  // Of E X = df S, through draws.
  const Tensor df = number(3.5).requires_grad_(true);
  const Tensor covariance = doubles({1, 0.5, 0.5, 2}).view({2, 2});
  Wishart(df.expand({kMatrices}), covariance).rsample(Stream{}).mean(0).sum().backward();
  EXPECT_NEAR(df.grad().item<double>(), 4, 0.1);
}

TEST(Wishart, DrawsOfSinglePrecisionHaveADensity) {
  const Wishart q(at::full({20'000}, 2.01F), at::eye(3));
  EXPECT_TRUE(q.log_prob(q.sample(Stream{})).isfinite().all().item<bool>());
  EXPECT_EQ(message_of<InvalidArgument>([] { Wishart(1, at::eye(2)); }),
            "df: Wishart: expected a number > D - 1 = 1, got 1");
}

TEST(LogisticNormal, Draws) {
  const LogisticNormal q(doubles({0.5, -1}), doubles({1, 0.3}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({3}));
  for (const Random& random : sources()) {
    const Tensor y = q.sample({kMatrices}, random);
    // logit of the first share is normal, around loc - log(K - 1).
    EXPECT_GT(testing::ks_p_value(Normal(number(0.5 - std::log(2)), 1), at::logit(y.select(-1, 0))),
              kFalseAlarm);
    EXPECT_GT(
        testing::ks_p_value(Normal(number(-1), 0.3), (y.select(-1, 1) / y.select(-1, 2)).log()),
        kFalseAlarm);
  }
  testing::expect_prefix(q);
  EXPECT_EQ(LogisticNormal(0, 1).sample(Stream{}).sizes(), IntArrayRef({2}));
  EXPECT_EQ(LogisticNormal(at::zeros({5, 3}), 1).batch_shape(), IntArrayRef({5}));
}

TEST(LogisticNormal, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        return LogisticNormal(p[0], p[1]).log_prob(doubles({0.2, 0.5, 0.3}));
      },
      {doubles({0.5, -1}), doubles({1, 0.3})});
}

}  // namespace
}  // namespace partita::distributions
