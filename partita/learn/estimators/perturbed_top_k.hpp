// SPDX-License-Identifier: Apache-2.0
// Gradients through the mean of perturbed sets.
//
//   PerturbedTopK estimator({.epsilon = 0.5});
//   auto [surrogate, value] = estimator(Subset(Logits(theta), 10), f, random);
//
// f sees a point between the sets; for the mean itself, and a loss that learns from sets, see
// losses/perturbed_top_k.hpp.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct PerturbedTopKOptions {
  std::int64_t samples = 1;
  std::int64_t inner = 100;  ///< >= 2 perturbed sets, of which f sees the mean
  double epsilon = 1;        ///< > 0, the size of the noise
};

/// f and its derivative at y = losses::perturbed_top_k(logits, k), and through y the gradient by
/// its Jacobian (Berthet et al. 2020, "Learning with differentiable perturbed optimizers"). For
/// Subset; f must be differentiable. Biased: f is taken at a mean, and that of perturbed sets is
/// PlackettLuce's. For linear f it is unbiased for the first k places of PlackettLuce(logits /
/// epsilon).
class PerturbedTopK : public Estimator {
 public:
  /// @throws InvalidArgument if an option is out of its range
  explicit PerturbedTopK(PerturbedTopKOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  std::int64_t inner_;
  double epsilon_;
};

}  // namespace partita::estimators
