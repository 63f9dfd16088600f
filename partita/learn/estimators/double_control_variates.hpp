// SPDX-License-Identifier: Apache-2.0
// Leave-one-out with f's slope as a second control variate, for bits and one-hot vectors: unbiased,
// at the evaluations of f that leave-one-out takes. f must be differentiable.
//
//   DoubleControlVariates estimator({.samples = 4});
//   torch::optim::Adam optimizer(estimator.parameters());      // tunes the scale
//   auto [surrogate, value] = estimator(distribution, f, random);
//   surrogate.sum().backward();  // theta's gradient, and that of the scale's loss
//
// Where a probability is exactly 0 or 1 the estimate is 0, since the logit is infinite.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct DoubleControlVariatesOptions {
  std::int64_t samples = 2;  ///< n >= 2, independent
  double scale = 1;          ///< a, how much of the second control variate is used
  /// Whether backward() also leaves the gradient of the variance in parameters().
  bool tune = true;
};

/// With mu = E x, and b_k(x) = g_k . (x - mu) the linear part of f, whose slope g_k is the mean of
/// grad f over the other samples,
///
///   1/n sum_k [h_k - mean over j != k of h_j] grad log p(x_k) + a grad (g . mu),
///   h_k = f(x_k) - a b_k(x_k),   g the mean of all n slopes
///
/// (Titsias and Shi 2022, "Double control variates for gradient estimation in discrete latent
/// variable models", arXiv 2111.05300, who start at a = 0 and have it with the other sign). The
/// first control variate is what the others say of f's value, the second what they say of its
/// slope; its mean is known, so that nothing is biased. For a = 0 it is leave-one-out; for linear f
/// and a = 1, exact.
class DoubleControlVariates : public Estimator {
 public:
  explicit DoubleControlVariates(const DoubleControlVariatesOptions& options = {});

  /// The scale, whose loss is E[g^2], g the estimate with respect to the logits: the variance, up
  /// to the square of the mean, which the scale does not change.
  std::vector<Tensor> parameters() const override;
  double scale() const;

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  Tensor scale_;
  bool tune_;
};

}  // namespace partita::estimators
