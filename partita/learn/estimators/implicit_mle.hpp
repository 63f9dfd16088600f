// SPDX-License-Identifier: Apache-2.0
// Gradients through the k largest of perturbed logits: implicit maximum likelihood estimation.
//
//   ImplicitMle estimator({.step = 1});
//   auto [surrogate, value] = estimator(Subset(Logits(theta), 10), f, random);
//
// A set is drawn as the k largest of logits plus noise; f moves the logits along its negative
// slope there, and the same noise draws another set: their difference is the gradient. All it needs
// of a distribution is its most probable value. For Subset itself, whose marginals are known,
// StraightThrough (relaxation.hpp) passes the gradient through them, with less variance.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

/// Noise of which k independent copies sum to a standard Gumbel as `terms` grows, so that the sum
/// of k perturbed logits is perturbed by one: (1 / k) (sum_{i = 1}^terms Gamma(1 / k, k / i) -
/// log(terms)) (Niepert et al. 2021, theorem 1).
/// @throws InvalidArgument if k < 1 or terms < 1
Tensor sum_of_gamma_noise(IntArrayRef shape, std::int64_t k, std::int64_t terms,
                          const at::TensorOptions& options, const Random& random);

struct ImplicitMleOptions {
  std::int64_t samples = 1;
  /// > 0: how far f moves the logits. In the limit of 0 the gradient is that of StraightThrough
  /// with the marginals of the perturbed sets, of unbounded variance.
  double step = 1;
  double temperature = 1;   ///< > 0, of the noise
  std::int64_t terms = 10;  ///< of the noise, >= 1
};

/// With z = top_k(logits + noise) and z' = top_k(logits - step f'(z) + noise), the gradient is
/// (z - z') / step (Niepert, Minervini, Franceschi 2021, "Implicit MLE", algorithm 1; divided by
/// the step, so that it estimates d E[f] itself). For Subset; f must be differentiable. Biased, and
/// so is the value: the k largest of perturbed logits are not quite a Subset.
class ImplicitMle : public Estimator {
 public:
  /// @throws InvalidArgument if an option is out of its range
  explicit ImplicitMle(ImplicitMleOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  double step_;
  double temperature_;
  std::int64_t terms_;
};

}  // namespace partita::estimators
