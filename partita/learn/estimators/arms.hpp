// SPDX-License-Identifier: Apache-2.0
// Several samples that avoid each other, for bits and one-hot vectors; f need not be
// differentiable and is evaluated once per sample.
//
//   Arms arms({.samples = 4});
//
// An estimate in the logits: by a probability of exactly 0 or 1 it is 0.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct ArmsOptions {
  std::int64_t samples = 2;  ///< n >= 2, each of the distribution itself, but not independent
};

/// The leave-one-out estimate of negatively correlated samples, unbiased by a weight on each pair:
///
///   1 / (n (n - 1)) sum_{i != k} w(x_i, x_k) (f_i - f_k) x_i,   w(a, b) = p(a) p(b) / P(a, b)
///
/// with P the law of a pair, and w of each variable on its own where f takes several. Two values
/// are then drawn in place of one value twice, which would say nothing.
///
/// Bits: ARMS (Dimitriev and Zhou 2021, "ARMS: Antithetic-REINFORCE-multi-sample gradient for
/// binary variables", arXiv 2105.14141) with the Dirichlet copula. With d uniform on the simplex of
/// n, each 1 - (1 - d_i)^(n-1) is uniform; the rarer value, of probability r, goes to those where
/// it is above 1 - r: to two of them with probability max(2 r^(1/(n-1)) - 1, 0)^(n-1) < r^2. For
/// n = 2, this is DisArm.
///
/// One-hot vectors: CARMS (the same 2021, "CARMS: Categorical-antithetic-REINFORCE multi-sample
/// gradient estimator", arXiv 2110.14002) by breaking sticks: categories are asked in order of
/// rising probability, and each answers with such a bit.
class Arms : public Estimator {
 public:
  explicit Arms(ArmsOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
