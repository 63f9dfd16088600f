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
  const auto [outcomes, log_prob] = support->all();
  const Tensor values = evaluate(f, outcomes, distribution);
  const Tensor impossible = log_prob == -std::numeric_limits<double>::infinity();
  // Masked before exp, so that an impossible outcome has no gradient instead of a NaN one.
  const Tensor probs = log_prob.masked_fill(impossible, 0).exp();
  const Tensor sum = (probs * values).masked_fill(impossible, 0).sum(0);
  return {sum, sum.detach()};
}

}  // namespace partita::estimators
