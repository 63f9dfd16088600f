// SPDX-License-Identifier: Apache-2.0
// Quantiles of a univariate distribution from its tails, where there is no closed form. Internal.
//
//   inverse_cdf(tails, p)              // the least x with P(X <= x) >= p
//   inverse_survival(tails, q)         // the least x with P(X > x) <= q
//
// Whichever tail holds 1/2 or less is solved, in logarithms and in double: by Newton's method
// inside a bracket, which is bisected where a step would leave it. The bracket is halved by the
// number of floating-point numbers in it, so that 64 steps go from 0 to infinity. Counts are
// bisected alone.
//
// The result is differentiable, with respect to the probability and the parameters, as often as the
// tails are: dx/dp = 1 / density, dx/d parameter = -(dF / d parameter) / density.
#pragma once

#include <functional>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// Functions of x (in double, of the probabilities' shape); right for all real x.
struct UnivariateTails {
  std::function<Tensor(const Tensor&)> log_cdf;
  std::function<Tensor(const Tensor&)> log_survival;
  std::function<Tensor(const Tensor&)> log_prob;
  bool is_discrete;  ///< on whole numbers
  Tensor low;        ///< the ends of the support: the results for probabilities of 0 and 1
  Tensor high;
};

/// How far, relative to its size, a count's probability may be below the one that is asked for: the
/// rounding of the latter, so that cdf(k) gives k again.
double probability_slack(at::ScalarType type);

/// @param probability of the shape to which it broadcasts with the distribution's batch.
/// @return in double; NaN where the probability is.
Tensor inverse_cdf(const UnivariateTails& tails, const Tensor& probability);
Tensor inverse_survival(const UnivariateTails& tails, const Tensor& probability);

/// `draw` (in double, inside the support) as a function of the parameters: with the probability to
/// be smaller held, the implicit gradient of a draw (Figurnov, Mohamed, Mnih 2018, equation 5).
Tensor with_implicit_gradient(const UnivariateTails& tails, const Tensor& draw);

}  // namespace partita::distributions
