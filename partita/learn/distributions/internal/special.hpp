// SPDX-License-Identifier: Apache-2.0
// Functions of several distributions whose textbook forms cancel or divide 0 by 0. Internal. All
// can be differentiated any number of times.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// log(1 + s x) / s, which is x where s = 0.
Tensor log1p_over(const Tensor& x, const Tensor& s);
/// (e^(s x) - 1) / s, which is x where s = 0: the inverse.
Tensor expm1_over(const Tensor& x, const Tensor& s);

/// log Gamma(1 + x), to full relative precision around x = 0.
Tensor lgamma1p(const Tensor& x);
/// The same over x, which is minus Euler's constant at x = 0.
Tensor lgamma1p_slope(const Tensor& x);
/// (log Gamma(1 + 2 x) - 2 log Gamma(1 + x)) / x^2, which is pi^2 / 6 at x = 0.
Tensor lgamma1p_curvature(const Tensor& x);

/// log (a (a + 1) ... (a + k - 1)) = log Gamma(a + k) - log Gamma(a), which would cancel for large
/// a (DLMF 5.11.1).
Tensor log_rising(const Tensor& a, const Tensor& k);

/// log Gamma(z + 1/2) - log Gamma(z) - log(z) / 2, which cancels for large z; there by its
/// expansion in 1 / z (from DLMF 5.11.8), off by 2e-3 / z^9.
Tensor log_gamma_half_step(const Tensor& z);

/// Where the last dimension has its maximum.
Tensor is_largest(const Tensor& x);
/// For each entry of the last dimension, the sum of the others. For the largest it is added up and
/// not the total less the entry, in which the others' digits are lost.
Tensor sum_of_others(const Tensor& x);

}  // namespace partita::distributions
