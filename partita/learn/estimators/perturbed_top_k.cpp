// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/perturbed_top_k.hpp"

#include <ATen/ATen.h>

#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"
#include "partita/learn/losses/perturbed_top_k.hpp"

namespace partita::estimators {

PerturbedTopK::PerturbedTopK(PerturbedTopKOptions options)
    : Estimator("PerturbedTopK", options.samples),
      inner_(options.inner),
      epsilon_(options.epsilon) {
  check_at_least("inner", inner_, 2);
  check_in("epsilon", epsilon_, "(0, inf)");
}

GradientEstimate PerturbedTopK::estimate(const Distribution& distribution, const Function& f,
                                         const Random& random) {
  const auto* subset = dynamic_cast<const distributions::Subset*>(&base_of(distribution));
  if (subset == nullptr) does_not_fit(distribution, "Subset or an Independent of one");
  if (subset->k() == 0) does_not_fit(distribution, "a Subset of one or more");
  const Tensor& logits = subset->logits();
  const Tensor y =
      losses::perturbed_top_k(logits.expand(concatenate({samples()}, logits.sizes())), subset->k(),
                              random, {.samples = inner_, .epsilon = epsilon_});
  const Tensor mean = evaluate(f, y, distribution).mean(0);
  return {mean, mean.detach()};
}

}  // namespace partita::estimators
