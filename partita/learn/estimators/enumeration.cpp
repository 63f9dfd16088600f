// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/enumeration.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/estimators/internal/finite_support.hpp"

namespace partita::estimators {

Enumeration::Enumeration() : Estimator("Enumeration", 1) {}

GradientEstimate Enumeration::estimate(const Distribution& distribution, const Function& f,
                                       const Random& /*random*/) {
  const auto support = FiniteSupport::of(distribution);
  if (!support) does_not_fit(distribution, kFiniteSupport);
  const auto [outcomes, probs] = support->all();
  const Tensor values = evaluate(f, outcomes, distribution);
  // What is impossible counts in the gradient, unless f has no value there.
  const Tensor lost = (probs == 0).logical_and(values.isfinite().logical_not());
  const Tensor sum = (probs * values.masked_fill(lost, 0)).sum(0);
  return {sum, sum.detach()};
}

}  // namespace partita::estimators
