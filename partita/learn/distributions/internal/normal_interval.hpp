// SPDX-License-Identifier: Apache-2.0
// A standard normal variable Z known to lie in [a, b], far in a tail or in an interval of no width
// as well as around 0. Internal.
//
// phi and Phi are its density and CDF without that knowledge. The mass of [a, b] is
//   Phi(b) - Phi(a) = phi(a) times the integral over t in [0, b - a] of exp(-a t - t^2 / 2),
// whose integrand is positive: nothing cancels.
#pragma once

#include <utility>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// log(Phi(b) - Phi(a)), a <= b, in double; -inf where they are equal.
Tensor log_normal_mass(const Tensor& a, const Tensor& b);

/// phi(a) / (Phi(b) - Phi(a)) and phi(b) / (Phi(b) - Phi(a)): the densities at the ends.
std::pair<Tensor, Tensor> end_densities(const Tensor& a, const Tensor& b);

/// The mean of Z less the end that is nearer to 0 (less 0 if 0 lies within), and the variance.
/// Differentiable.
std::pair<Tensor, Tensor> interval_moments(const Tensor& a, const Tensor& b);

/// The z in [a, b] with P(Z <= z) = u; without gradient.
Tensor interval_icdf(const Tensor& u, const Tensor& a, const Tensor& b);

}  // namespace partita::distributions
