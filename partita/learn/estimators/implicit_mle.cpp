// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/implicit_mle.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// The k largest of scores [..., V], as vectors of ones and zeros.
Tensor top_k(const Tensor& scores, std::int64_t k) {
  const Tensor largest = std::get<1>(scores.topk(k, -1));
  return at::zeros_like(scores).scatter(-1, largest, 1);
}

}  // namespace

Tensor sum_of_gamma_noise(IntArrayRef shape, std::int64_t k, std::int64_t terms,
                          const at::TensorOptions& options, const Random& random) {
  check_at_least("k", k, 1);
  check_at_least("terms", terms, 1);
  const auto copies = static_cast<double>(k);
  const Tensor concentration = at::full(shape, 1 / copies, options);
  Tensor sum = at::full(shape, -std::log(static_cast<double>(terms)), options);
  for (std::int64_t i = 1; i <= terms; ++i) {
    sum += random.log_standard_gamma(concentration).exp() * (copies / static_cast<double>(i));
  }
  return sum / copies;
}

ImplicitMle::ImplicitMle(ImplicitMleOptions options)
    : Estimator("ImplicitMle", options.samples),
      step_(options.step),
      temperature_(options.temperature),
      terms_(options.terms) {
  check_in("step", step_, "(0, inf)");
  check_in("temperature", temperature_, "(0, inf)");
  check_at_least("terms", terms_, 1);
}

GradientEstimate ImplicitMle::estimate(const Distribution& distribution, const Function& f,
                                       const Random& random) {
  const auto* subset = dynamic_cast<const distributions::Subset*>(&base_of(distribution));
  if (subset == nullptr) does_not_fit(distribution, "Subset or an Independent of one");
  const Tensor logits = subset->logits();
  const std::int64_t k = subset->k();
  if (k == 0) does_not_fit(distribution, "a Subset of one or more");
  const Tensor perturbed =
      logits.detach() + temperature_ * sum_of_gamma_noise(concatenate({samples()}, logits.sizes()),
                                                          k, terms_, logits.options(), random);
  const Tensor z = top_k(perturbed, k).set_requires_grad(true);
  const Tensor values = evaluate(f, z, distribution);
  const Tensor moved = top_k(perturbed - step_ * slope_of(values, z), k);
  const Tensor gradient = ((z.detach() - moved) / step_).mean(0);
  const Tensor mean = values.mean(0);
  // Linear in the logits, with that slope; what is impossible never moves.
  const Tensor finite = logits.masked_fill(logits.isinf(), 0);
  return {mean + sum_event(finite * gradient, distribution), mean.detach()};
}

}  // namespace partita::estimators
