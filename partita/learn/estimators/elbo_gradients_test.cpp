// SPDX-License-Identifier: Apache-2.0
// The gradients of bounds that are more than autograd's of the value.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/estimators/elbo_test_support.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/score_function.hpp"

namespace partita::estimators {
namespace {

using distributions::Normal;
using testing::copies;
using testing::LinearGaussian;

/// Gradients by loc and log scale of the linear model's bound of k weights, [rows, 2, x].
Tensor bound_gradients(const LinearGaussian& model, const Tensor& loc, const Tensor& log_scale,
                       std::int64_t k, std::int64_t rows, WeightedGradient gradient) {
  const Tensor point =
      at::stack({loc, log_scale}).unsqueeze(1).expand({2, rows, 2}).clone().set_requires_grad(true);
  const auto each = [&](const Tensor& t) { return t.unsqueeze(-1).expand({rows, 2, k}); };
  const Normal q(each(point[0]), each(point[1].exp()));
  const Normal prior(at::zeros({2, 1}, at::kDouble), 1);
  Pathwise pathwise;
  importance_weighted(q, prior, model.log_likelihood(), pathwise, Stream{3}, gradient)
      .surrogate.sum()
      .backward();
  return point.grad().transpose(0, 1);
}

TEST(StickingTheLanding, HasNoVarianceAtThePosterior) {
  const LinearGaussian model;
  Pathwise pathwise({.samples = 3});
  const auto largest = [&](KlTerm kl) {
    const Tensor loc = model.posterior().loc().clone().set_requires_grad(true);
    const Tensor scale = model.posterior().scale().clone().set_requires_grad(true);
    const auto bound =
        elbo(Normal(loc, scale), model.prior(), model.log_likelihood(), pathwise, Stream{1}, kl);
    EXPECT_TRUE(at::allclose(bound.value, model.log_evidence(), 1e-12, 1e-12));
    bound.surrogate.sum().backward();
    return std::max(loc.grad().abs().max().item<double>(), scale.grad().abs().max().item<double>());
  };
  EXPECT_LT(largest(KlTerm::sampled_path), 1e-13);
  EXPECT_GT(largest(KlTerm::sampled), 0.1);
}

TEST(StickingTheLanding, HasTheMeanOfTheTotalGradient) {
  const LinearGaussian model;
  const Tensor loc = testing::numbers({0.3, -0.5});
  const Tensor log_scale = testing::numbers({-0.6, 0.2});
  // One weight is the evidence lower bound: its exact gradient is that of the divergence.
  const Tensor point = at::stack({loc, log_scale}).set_requires_grad(true);
  distributions::kl_divergence(Normal(point[0], point[1].exp()), model.posterior())
      .sum()
      .neg()
      .backward();
  const Tensor found =
      bound_gradients(model, loc, log_scale, 1, 100'000, WeightedGradient::doubly_reparameterized);
  const Tensor interval = kFiveSigma * testing::standard_error(found);
  EXPECT_TRUE(((found.mean(0) - point.grad()).abs() < interval).all().item<bool>());
  EXPECT_TRUE((4 * interval < point.grad().abs()).all().item<bool>());
}

TEST(DoublyReparameterized, HasTheMeanOfTheTotalGradientWithLessVariance) {
  const LinearGaussian model;
  const Tensor loc = testing::numbers({0.3, -0.5});
  const Tensor log_scale = testing::numbers({-0.6, 0.2});
  constexpr std::int64_t kRows = 40'000;
  for (const std::int64_t k : {4, 16}) {
    const auto by = [&](WeightedGradient gradient) {
      return bound_gradients(model, loc, log_scale, k, kRows, gradient);
    };
    const Tensor total = by(WeightedGradient::total);
    const Tensor doubly = by(WeightedGradient::doubly_reparameterized);
    const Tensor interval =
        kFiveSigma *
        (testing::standard_error(total).square() + testing::standard_error(doubly).square()).sqrt();
    EXPECT_TRUE(((total.mean(0) - doubly.mean(0)).abs() < interval).all().item<bool>())
        << total.mean(0) << doubly.mean(0);
    EXPECT_TRUE((doubly.var(0) < 0.7 * total.var(0)).all().item<bool>())
        << doubly.var(0) / total.var(0);
  }
}

TEST(DoublyReparameterized, TrainsTheDecoderByTheWeightsOnce) {
  const LinearGaussian model;
  const auto gradient = [&](WeightedGradient which) {
    const Tensor w = at::scalar_tensor(1.5, at::kDouble).set_requires_grad(true);
    Pathwise pathwise({.samples = 3});
    const Normal q = copies(testing::numbers({0.3, -0.5}), testing::numbers({0.6, 1.2}), 5);
    importance_weighted(
        q, Normal(at::zeros({2, 1}, at::kDouble), 1),
        [&](const Tensor& z) { return Normal(w * z, model.s).log_prob(model.x.expand_as(z)); },
        pathwise, Stream{7}, which)
        .surrogate.sum()
        .backward();
    return w.grad().item<double>();
  };
  EXPECT_NEAR(gradient(WeightedGradient::total), gradient(WeightedGradient::doubly_reparameterized),
              1e-12);
}

// Three bits, of which two rows: the exact gradient of the bound by enumeration of all k of them.
TEST(Vimco, IsUnbiasedWithLessVarianceThanTheScoreFunction) {
  constexpr std::int64_t kCopies = 3;
  constexpr std::int64_t kRows = 40'000;
  const Tensor logits = testing::numbers({0.4, -1});
  const Function log_likelihood = [](const Tensor& b) { return -3 * (b - 0.3).square() + 3 * b; };
  const distributions::Bernoulli prior(testing::numbers({0.35, 0.35}).unsqueeze(-1));
  const auto copied = [&](const Tensor& each) {
    return distributions::Bernoulli(
        distributions::Logits(each.unsqueeze(-1).expand(concatenate(each.sizes(), {kCopies}))));
  };
  const Tensor one = logits.clone().set_requires_grad(true);
  Enumeration enumeration;
  const auto exact =
      importance_weighted(copied(one), prior, log_likelihood, enumeration, Stream{1});
  exact.surrogate.sum().backward();

  const auto gradients = [&](const auto& estimate) {
    const Tensor rows = logits.expand({kRows, 2}).clone().set_requires_grad(true);
    const GradientEstimate found = estimate(copied(rows));
    found.surrogate.sum().backward();
    return std::pair{rows.grad(), found.value};
  };
  const auto [found, value] = gradients([&](const distributions::Bernoulli& q) {
    return vimco(q, prior, log_likelihood, Stream{2}, 2);
  });
  const Tensor interval = kFiveSigma * testing::standard_error(found);
  EXPECT_TRUE(((found.mean(0) - one.grad()).abs() < interval).all().item<bool>())
      << found.mean(0) << one.grad();
  EXPECT_TRUE((4 * interval < one.grad().abs()).all().item<bool>());
  EXPECT_TRUE(((value.mean(0) - exact.value).abs() < kFiveSigma * testing::standard_error(value))
                  .all()
                  .item<bool>());
  ScoreFunction plain({.samples = 2});
  const auto [scored, unused] = gradients([&](const distributions::Bernoulli& q) {
    return importance_weighted(q, prior, log_likelihood, plain, Stream{2});
  });
  EXPECT_TRUE((found.var(0) < 0.8 * scored.var(0)).all().item<bool>());

  // A sample of weight 0 among others.
  const Tensor bits = at::zeros({2000, kCopies}, at::kDouble).set_requires_grad(true);
  const distributions::Bernoulli q{distributions::Logits(bits)};
  vimco(
      q, distributions::Bernoulli(testing::numbers({0.5})), [](const Tensor& z) { return z.log(); },
      Stream{2}, 1)
      .surrogate.sum()
      .backward();
  const Tensor several = q.sample({}, Stream{2}).sum(-1) >= 2;
  EXPECT_GT(several.sum().item<std::int64_t>(), 900);
  EXPECT_TRUE(bits.grad().index({several}).isfinite().all().item<bool>());

  EXPECT_THROW(
      vimco(distributions::Bernoulli(testing::numbers({0.5})), prior, log_likelihood, Stream{1}),
      InvalidArgument);
}

}  // namespace
}  // namespace partita::estimators
