// SPDX-License-Identifier: Apache-2.0
// The reparameterization trick: z = g(epsilon, theta), so that the gradient moves inside the mean.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct PathwiseOptions {
  std::int64_t samples = 1;
};

/// Mean over the samples of grad f(g(epsilon, theta)) (Kingma and Welling 2014; Rezende, Mohamed,
/// Wierstra 2014), or with implicit gradients where rsample() has those. Unbiased, for an f
/// differentiable in z and distributions with rsample.
class Pathwise : public Estimator {
 public:
  explicit Pathwise(PathwiseOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
