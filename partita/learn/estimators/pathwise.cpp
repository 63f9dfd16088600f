// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/pathwise.hpp"

#include <ATen/ATen.h>

namespace partita::estimators {

Pathwise::Pathwise(PathwiseOptions options) : Estimator("Pathwise", options.samples) {}

GradientEstimate Pathwise::estimate(const Distribution& distribution, const Function& f,
                                    const Random& random) {
  if (!distribution.has_rsample()) does_not_fit(distribution, "a distribution that has rsample");
  const Tensor mean = evaluate(f, distribution.rsample({samples()}, random), distribution).mean(0);
  return {mean, mean.detach()};
}

}  // namespace partita::estimators
