// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/evidence_bound.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "apps/report/figure.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {

namespace {

using distributions::Bernoulli;
using distributions::Logits;
using distributions::Normal;
using estimators::KlTerm;
using estimators::Pathwise;
using estimators::WeightedGradient;

// z ~ N(0, 1), x | z ~ N(w z, s): evidence and posterior are normal as well.
constexpr double kSlope = 1.5;
constexpr double kSpread = 0.7;
constexpr double kTotal = kSlope * kSlope + kSpread * kSpread;
constexpr double kObserved = 0.8;
constexpr double kPosteriorMean = kSlope * kObserved / kTotal;
const double kPosteriorDeviation = kSpread / std::sqrt(kTotal);

Tensor log_likelihood(const Tensor& z) {
  return Normal(kSlope * z, kSpread).log_prob(at::full_like(z, kObserved));
}

/// The gradient by the mean of q at the posterior, of n independent estimates.
Tensor gradient_at_posterior(const Stream& stream, std::int64_t n, KlTerm kl) {
  const Tensor mean = at::full({n}, kPosteriorMean, at::kDouble).set_requires_grad(true);
  Pathwise pathwise;
  estimators::elbo(Normal(mean, kPosteriorDeviation), Normal(at::zeros({n}, at::kDouble), 1.0),
                   log_likelihood, pathwise, stream, kl)
      .surrogate.sum()
      .backward();
  return mean.grad();
}

/// That of the bound of eight weights, elsewhere.
Tensor gradient_of_eight(const Stream& stream, std::int64_t n, WeightedGradient which) {
  const Tensor mean = at::full({n}, 0.1, at::kDouble).set_requires_grad(true);
  Pathwise pathwise;
  estimators::importance_weighted(Normal(mean.unsqueeze(-1).expand({n, 8}), 0.6),
                                  Normal(at::zeros({8}, at::kDouble), 1.0), log_likelihood,
                                  pathwise, stream, which)
      .surrogate.sum()
      .backward();
  return mean.grad();
}

/// That of a bound by three copies of a bit, by the bit's logit.
template <class Bound>
Tensor gradient_of_bits(std::int64_t n, const Bound& bound) {
  const Tensor logits = at::full({n}, 0.4, at::kDouble).set_requires_grad(true);
  bound(Bernoulli(Logits(logits.unsqueeze(-1).expand({n, 3}))),
        Bernoulli(at::full({3}, 0.35, at::kDouble)),
        [](const Tensor& b) { return -3 * (b - 0.3).square() + 3 * b; })
      .surrogate.sum()
      .backward();
  return logits.grad();
}

/// What is left out of gradients without a bias, and discrete codes.
void add_gradient_checks(Finding& finding, const TourContext& context) {
  const auto n = context.choose<std::int64_t>(40'000, 10'000);
  const auto at_posterior = [&](KlTerm kl) {
    return gradient_at_posterior(context.stream(1), n, kl);
  };
  finding.checks.push_back(at_most("sticking the landing: largest gradient at the posterior",
                                   at_posterior(KlTerm::sampled_path).abs().max().item<double>(),
                                   1e-12));
  finding.checks.push_back(at_least("the plain gradient's standard deviation there",
                                    at_posterior(KlTerm::sampled).std().item<double>(), 0.1));
  const auto of_eight = [&](WeightedGradient which) {
    return gradient_of_eight(context.stream(2), n, which);
  };
  const Tensor total = of_eight(WeightedGradient::total);
  const Tensor doubly = of_eight(WeightedGradient::doubly_reparameterized);
  finding.checks.push_back(unbiased("doubly reparameterized, eight weights: less the plain one",
                                    to_vector(doubly - total), 0));
  finding.checks.push_back(at_most("its variance over the plain one's",
                                   (doubly.var() / total.var()).item<double>(), 0.7));
  const Tensor exact = gradient_of_bits(1, [](const auto&... arguments) {
    estimators::Enumeration enumeration;
    return estimators::importance_weighted(arguments..., enumeration, Stream{});
  });
  const Tensor vimco = gradient_of_bits(n, [&](const auto&... arguments) {
    return estimators::vimco(arguments..., context.stream(3));
  });
  finding.checks.push_back(
      unbiased("VIMCO, three bits: against enumeration", to_vector(vimco), exact.item<double>()));
}

}  // namespace

Finding evidence_bound(const TourContext& context) {
  const auto n = context.choose<std::int64_t>(400'000, 100'000);
  const Tensor one = at::ones({n}, at::kDouble);
  const auto evidence = Normal(0 * one[0], std::sqrt(kTotal))
                            .log_prob(at::scalar_tensor(kObserved, at::kDouble))
                            .item<double>();
  const auto bound = [&](double mean, double deviation, KlTerm kl) {
    Pathwise estimator;
    return estimators::elbo(Normal(mean * one, deviation), Normal(0 * one, 1.0), log_likelihood,
                            estimator, context.stream(0), kl)
        .value;
  };
  const Tensor at_posterior = bound(kPosteriorMean, kPosteriorDeviation, KlTerm::sampled);
  const auto gap =
      distributions::kl_divergence(Normal(0.1 * one[0], 0.6),
                                   Normal(kPosteriorMean * one[0], kPosteriorDeviation))
          .item<double>();
  const Series line{.name = "log p(x)",
                    .x = {-1, 2},
                    .y = {evidence, evidence},
                    .mark = Mark::line,
                    .dashed = true};
  Series curve{.name = "ELBO", .mark = Mark::line};
  double most = -1e300;
  for (int i = -20; i <= 40; ++i) {
    curve.x.push_back(i / 20.0);
    curve.y.push_back(bound(i / 20.0, kPosteriorDeviation, KlTerm::sampled).mean().item<double>());
    most = std::max(most, curve.y.back());
  }
  Finding finding{{at_most("at the true posterior each sample's bound against log p(x)",
                           (at_posterior - evidence).abs().max().item<double>(), 1e-12),
                   unbiased("elsewhere: log p(x) − KL(q‖posterior), KL to the prior in closed form",
                            to_vector(bound(0.1, 0.6, KlTerm::analytic)), evidence - gap),
                   unbiased("KL to the prior sampled", to_vector(bound(0.1, 0.6, KlTerm::sampled)),
                            evidence - gap),
                   at_least("that gap", gap, 0.1),
                   at_most("largest ELBO of 61 means, less log p(x)", most - evidence, 1e-3)},
                  {{to_svg({.title = "ELBO against the mean of q",
                            .x = {.label = "mean of q"},
                            .y = {.label = "nats"},
                            .series = {curve, line}}),
                    "The bound touches the evidence where q is the posterior."}}};
  add_gradient_checks(finding, context);
  return finding;
}

}  // namespace partita::app
