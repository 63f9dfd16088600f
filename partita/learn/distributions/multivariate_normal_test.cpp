// SPDX-License-Identifier: Apache-2.0
// MultivariateNormal and LowRankMultivariateNormal.
#include "partita/learn/distributions/multivariate_normal.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::to_vector;

const Tensor kLoc = doubles({1, -2, 0.5});
/// L L^T of it has correlations 0.8 and -0.6.
const Tensor kTril = doubles({2, 0, 0, 0.8, 0.6, 0, -1.8, 0.4, 2.3}).view({3, 3});

/// The density's formula, with an inverse and a determinant.
Tensor plain_log_prob(const Tensor& loc, const Tensor& covariance, const Tensor& value) {
  const Tensor x = (value - loc).unsqueeze(-1);
  const Tensor quadratic = x.mT().matmul(covariance.inverse()).matmul(x).squeeze(-1).squeeze(-1);
  return -0.5 * (quadratic + covariance.logdet() +
                 static_cast<double>(loc.size(-1)) * std::log(2 * std::numbers::pi));
}

/// Draws minus loc, times the inverse of the covariance's Cholesky factor, are standard normal and
/// independent. 200,000 draws see a covariance (in these units) off by 5 / sqrt(200,000) = 0.011.
template <class D>
void expect_draws(const D& q) {
  constexpr std::int64_t kDraws = 200'000;
  for (const Random& random :
       {Random(Stream{.seed = 21, .id = 2}), Random(testing::torch_generator(21))}) {
    const Tensor draws = q.sample({kDraws}, random);
    const Tensor z =
        at::linalg_solve_triangular(q.scale_tril(), (draws - q.loc()).t(), /*upper=*/false);
    for (std::int64_t i = 0; i < z.size(0); ++i) {
      EXPECT_GT(partita::ks_p_value(to_vector(at::special_ndtr(z[i])), [](double u) { return u; }),
                kFalseAlarm);
      for (std::int64_t j = 0; j <= i; ++j) {
        EXPECT_LT(z_score(to_vector(z[i] * z[j]), i == j ? 1 : 0), kFiveSigma)
            << q.to_string() << " " << i << " " << j;
      }
    }
  }
  const Stream stream{.seed = 3, .id = 8};
  EXPECT_TRUE(at::equal(q.sample({64}, stream).slice(0, 0, 32), q.sample({32}, stream)));
}

TEST(MultivariateNormal, Draws) { expect_draws(MultivariateNormal(kLoc, ScaleTril(kTril))); }

TEST(MultivariateNormal, ItsThreeFormsAgree) {
  const Tensor covariance = kTril.matmul(kTril.t());
  const Tensor precision = covariance.inverse();
  const Tensor values = at::arange(12, at::kDouble).view({4, 3});
  for (const MultivariateNormal& q :
       {MultivariateNormal(kLoc, covariance), MultivariateNormal(kLoc, PrecisionMatrix(precision)),
        MultivariateNormal(kLoc, ScaleTril(kTril))}) {
    EXPECT_TRUE(at::allclose(q.log_prob(values), plain_log_prob(kLoc, covariance, values)));
    EXPECT_TRUE(at::allclose(q.covariance_matrix(), covariance));
    EXPECT_TRUE(at::allclose(q.precision_matrix(), precision));
    EXPECT_TRUE(at::allclose(q.scale_tril(), kTril));
    EXPECT_TRUE(at::allclose(q.variance(), covariance.diagonal()));
    EXPECT_TRUE(at::equal(q.mode(), kLoc));
    // E[-log p]: the quadratic form's mean is D.
    const Tensor at_mode = plain_log_prob(kLoc, covariance, kLoc);
    EXPECT_TRUE(at::allclose(q.entropy(), 1.5 - at_mode));
  }
}

TEST(MultivariateNormal, BatchesBroadcast) {
  // Locations [4, 1, 3] and factors [2, 3, 3]: batch shape [4, 2].
  const Tensor loc = at::arange(12, at::kDouble).view({4, 1, 3}) / 10;
  const Tensor tril = at::stack({kTril, 2 * kTril});
  const MultivariateNormal q(loc, ScaleTril(tril));
  EXPECT_EQ(q.batch_shape(), IntArrayRef({4, 2}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({3}));
  EXPECT_EQ(q.rsample({5, 6}, Stream{}).sizes(), IntArrayRef({5, 6, 4, 2, 3}));
  EXPECT_EQ(q.covariance_matrix().sizes(), IntArrayRef({4, 2, 3, 3}));
  EXPECT_EQ(q.entropy().sizes(), IntArrayRef({4, 2}));
  const Tensor values = at::arange(5 * 4 * 2 * 3, at::kDouble).view({5, 4, 2, 3}).cos();
  const Tensor covariance = tril.matmul(tril.mT());
  EXPECT_TRUE(at::allclose(q.log_prob(values), plain_log_prob(loc, covariance, values)));
  EXPECT_TRUE(
      at::allclose(q.log_prob(values[0][0][0]), plain_log_prob(loc, covariance, values[0][0][0])));
  EXPECT_TRUE(at::allclose(q.expand({3, 4, 2})->log_prob(values[0]),
                           plain_log_prob(loc, covariance, values[0]).expand({3, 4, 2})));
  // A factor whose batch dimension of 1 meets several locations.
  const MultivariateNormal one(loc.squeeze(1), ScaleTril(kTril.unsqueeze(0)));
  EXPECT_TRUE(at::allclose(one.log_prob(values[0].select(1, 0)),
                           plain_log_prob(loc.squeeze(1), covariance[0], values[0].select(1, 0))));
  // Row i of a draw uses factor i: the same noise, twice as wide.
  const Tensor zero = at::zeros({2, 3}, at::kDouble);
  const Stream stream{.seed = 4};
  const Tensor both = MultivariateNormal(zero, ScaleTril(tril)).sample(stream);
  const Tensor noise = MultivariateNormal(zero, at::eye(3, at::kDouble)).sample(stream);
  EXPECT_TRUE(at::allclose(both[0], kTril.mv(noise[0])));
  EXPECT_TRUE(at::allclose(both[1], 2 * kTril.mv(noise[1])));
}

TEST(MultivariateNormal, ARoundedProductIsSymmetric) {
  // Rounding may leave an entry near 0 of a product A A^T more than 1e-5 of itself from its mirror
  // image, for which Python refuses the product. Which entry depends on the BLAS, so here it is
  // made.
  Tensor product = 100 * at::eye(3);
  product[0][1] = 1e-2;
  product[1][0] = 1e-2 + 1e-5;
  EXPECT_FALSE(at::isclose(product, product.t(), 1e-5, 1e-6).all().item<bool>());
  EXPECT_TRUE(MultivariateNormal(at::zeros({3}), product).entropy().isfinite().item<bool>());
  product[1][0] = 1e-2 + 1e-2;  // no rounding
  EXPECT_THROW(MultivariateNormal(at::zeros({3}), product), InvalidArgument);
}

TEST(MultivariateNormal, LogProbGradients) {
  const Tensor values = at::arange(6, at::kDouble).view({2, 3});
  for (const bool is_precision : {false, true}) {
    testing::expect_gradient(
        [&](const auto& t) {
          const Tensor matrix = t[1].matmul(t[1].t()) + at::eye(3, at::kDouble);
          const MultivariateNormal q = is_precision
                                           ? MultivariateNormal(t[0], PrecisionMatrix(matrix))
                                           : MultivariateNormal(t[0], matrix);
          return q.log_prob(values) + q.entropy();
        },
        {kLoc, kTril});
  }
}

TEST(MultivariateNormal, PathwiseGradientsAreThoseOfTheMoments) {
  // E[x^T Q x + b^T x] = tr(Q S) + loc^T Q loc + b^T loc has the gradients Q by the covariance S
  // and 2 Q loc + b by loc. 100 independent estimates of 2,000 draws each.
  constexpr std::int64_t kEstimates = 100;
  const Tensor q_matrix = doubles({1, 0.3, -0.2, 0.3, 0.5, 0.1, -0.2, 0.1, -1}).view({3, 3});
  const Tensor b = doubles({0.5, -1, 2});
  const Tensor loc = kLoc.expand({kEstimates, 3}).clone().set_requires_grad(true);
  const Tensor covariance =
      kTril.matmul(kTril.t()).expand({kEstimates, 3, 3}).clone().set_requires_grad(true);
  const Tensor x = MultivariateNormal(loc, covariance).rsample({2000}, Stream{.seed = 9});
  ((x.matmul(q_matrix) * x).sum(-1) + x.matmul(b)).mean(0).sum().backward();
  const Tensor by_loc = 2 * q_matrix.mv(kLoc) + b;
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_LT(z_score(to_vector(loc.grad().select(-1, i)), by_loc[i].item<double>()), kFiveSigma);
    for (std::int64_t j = 0; j < 3; ++j) {
      EXPECT_LT(z_score(to_vector(covariance.grad().select(-1, j).select(-1, i)),
                        q_matrix[i][j].item<double>()),
                kFiveSigma)
          << i << " " << j;
    }
  }
}

TEST(MultivariateNormal, SaysWhatIsWrong) {
  const Tensor loc = at::zeros({2}, at::kDouble);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc, doubles({1, 2, 2, 1}).view({2, 2}));
            }),
            "covariance_matrix: MultivariateNormal: expected a symmetric positive-definite matrix, "
            "got [1, 2, 2, 1]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc, PrecisionMatrix(doubles({1, 0.5, 0, 1}).view({2, 2})));
            }),
            "precision_matrix: MultivariateNormal: expected a symmetric positive-definite matrix, "
            "got [1, 0.5, 0, 1]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc, ScaleTril(doubles({1, 0, 1, -1}).view({2, 2})));
            }),
            "scale_tril: MultivariateNormal: expected a lower triangular matrix with a positive "
            "diagonal, got [1, 0, 1, -1]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc, at::ones({3, 3}));
            }),
            "covariance_matrix: MultivariateNormal: expected [..., 2, 2], got [3, 3]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc.sum(), at::ones({1, 1}));
            }),
            "loc: MultivariateNormal: expected one dimension or more, got a number");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MultivariateNormal(loc, doubles({1, 2, 2, 1}).view({2, 2}), /*validate_args=*/false);
            }),
            "covariance_matrix: MultivariateNormal: expected a positive-definite matrix");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              LowRankMultivariateNormal(loc, at::ones({2, 1}), doubles({1, 0}));
            }),
            "cov_diag: LowRankMultivariateNormal: expected a number > 0, got [1, 0]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              LowRankMultivariateNormal(loc, at::ones({3, 1}), doubles({1, 1}));
            }),
            "cov_factor: LowRankMultivariateNormal: expected [..., 2, 1], got [3, 1]");
}

const Tensor kFactor = doubles({1, 0.5, -2, 0.3, 0.8, 1.5}).view({3, 2});
const Tensor kDiagonal = doubles({0.5, 1, 0.1});

TEST(LowRankMultivariateNormal, Draws) {
  expect_draws(LowRankMultivariateNormal(kLoc, kFactor, kDiagonal));
}

TEST(LowRankMultivariateNormal, IsTheMultivariateNormalOfItsCovariance) {
  // Factors [4, 1, 3, 2], diagonals [2, 3]: batch shape [4, 2].
  const Tensor factor = kFactor * doubles({1, 2, 3, 4}).view({4, 1, 1, 1});
  const Tensor diagonal = at::stack({kDiagonal, 3 * kDiagonal});
  const LowRankMultivariateNormal q(kLoc, factor, diagonal);
  const Tensor covariance = factor.matmul(factor.mT()) + at::diag_embed(diagonal);
  const MultivariateNormal full(kLoc, covariance);
  EXPECT_EQ(q.batch_shape(), IntArrayRef({4, 2}));
  EXPECT_EQ(q.rsample({5, 6}, Stream{}).sizes(), IntArrayRef({5, 6, 4, 2, 3}));
  const Tensor values = at::arange(5 * 4 * 2 * 3, at::kDouble).view({5, 4, 2, 3}).cos();
  EXPECT_TRUE(at::allclose(q.log_prob(values), full.log_prob(values)));
  EXPECT_TRUE(at::allclose(q.log_prob(kLoc), full.log_prob(kLoc)));
  EXPECT_TRUE(at::allclose(q.entropy(), full.entropy()));
  EXPECT_TRUE(at::allclose(q.variance(), full.variance()));
  EXPECT_TRUE(at::allclose(q.covariance_matrix(), covariance));
  EXPECT_TRUE(at::allclose(q.precision_matrix(), full.precision_matrix()));
  EXPECT_TRUE(at::allclose(q.scale_tril(), full.scale_tril()));
  EXPECT_TRUE(at::allclose(q.expand({3, 4, 2})->log_prob(values[0]),
                           full.log_prob(values[0]).expand({3, 4, 2})));
}

TEST(LowRankMultivariateNormal, Gradients) {
  const Tensor values = at::arange(6, at::kDouble).view({2, 3});
  testing::expect_gradient(
      [&](const auto& t) {
        const LowRankMultivariateNormal q(t[0], t[1], t[2]);
        return q.log_prob(values) + q.entropy() +
               (q.rsample({2}, Stream{.seed = 2}) * values).sum(-1);
      },
      {kLoc, kFactor, kDiagonal}, 1e-6);
}

TEST(LowRankMultivariateNormal, SmallDiagonalsDoNotCancel) {
  // Covariance 11^T + d I, at x = 1: eigenvalue 2 + d, so 2 / (2 + d). In single precision 1 / d
  // times x^2, less a number as large, would keep no digit.
  const float d = 1e-8F;
  const LowRankMultivariateNormal q(at::zeros({2}), at::ones({2, 1}), at::full({2}, d));
  const double expected =
      -0.5 * (2 / (2 + d) + 2 * std::log(2 * std::numbers::pi) + std::log(d) + std::log(2 + d));
  EXPECT_NEAR(q.log_prob(at::ones({2})).item<double>(), expected, 1e-5);
}

TEST(LowRankMultivariateNormal, FormsNoLargeMatrix) {
  // A million dimensions: a matrix of them would take 4 TB.
  constexpr std::int64_t kSize = 1'000'000;
  const LowRankMultivariateNormal q(at::zeros({kSize}), at::ones({kSize, 1}), at::ones({kSize}));
  const Tensor draw = q.rsample(Stream{});
  EXPECT_TRUE(q.log_prob(draw).isfinite().item<bool>());
  EXPECT_NEAR(q.entropy().item<double>(),
              0.5 * (kSize * (1 + std::log(2 * std::numbers::pi)) + std::log1p(kSize)), 1);
}

}  // namespace
}  // namespace partita::distributions
