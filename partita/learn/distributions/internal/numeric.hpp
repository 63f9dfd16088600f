// SPDX-License-Identifier: Apache-2.0
// Formulas that several distributions share, each free of overflow and cancellation. Internal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numbers>

#include "partita/learn/tensor.hpp"
#include "partita/softmax/scalar.hpp"

namespace partita::distributions {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kPi = std::numbers::pi;

using Elementwise = Tensor (*)(const Tensor&);
/// value(x), whose derivative is slope(x).
Tensor with_slope(const Tensor& x, Elementwise value, Elementwise slope);

// Elementwise functions whose derivative, as autograd would compose it, loses its digits or is
// 0 * inf where the value is precise: each has one of its own, with which they can be
// differentiated any number of times. Where it is infinite it counts as 0, so that an impossible
// outcome of a mixture has no gradient, instead of NaN.

/// 1 - e^x.
Tensor one_minus_exp(const Tensor& x);
/// log(1 - e^x) for x <= 0, to full relative precision (Maechler 2012, "Accurately computing
/// log(1 - exp(-|a|))"). -inf at 0.
Tensor log1mexp(const Tensor& x);
using partita::log1mexp;  // the overload for numbers
/// 1 / (1 + e^-x).
Tensor sigmoid_of(const Tensor& x);
/// log Phi(x), Phi the CDF of the standard normal distribution.
Tensor log_normal_cdf(const Tensor& x);
/// e^x.
Tensor exp_of(const Tensor& x);

// The two tails of exp(-e^v), which are those of Gumbel, Weibull and Kumaraswamy, and their
// logarithms.

Tensor exp_of_minus_exp(const Tensor& v);            ///< exp(-e^v)
Tensor minus_exp(const Tensor& v);                   ///< its logarithm, -e^v
Tensor one_minus_exp_of_minus_exp(const Tensor& v);  ///< 1 - exp(-e^v)
/// Its logarithm, log(1 - exp(-e^v)); v itself where e^v is so small that it would underflow.
Tensor log1mexp_of_exp(const Tensor& v);

/// `value`, with the derivatives of `other`, which is the same function computed less precisely.
Tensor with_derivatives_of(const Tensor& other, const Tensor& value);

/// log(x), with gradient 0 (not inf) where x = 0.
Tensor log_or_minus_infinity(const Tensor& x);
/// log(1 - x), likewise where x = 1.
Tensor log1m_or_minus_infinity(const Tensor& x);

/// logsumexp over the last dimension, with gradient 0 (not NaN) where all of it is -inf.
Tensor log_sum_exp(const Tensor& x);

/// weight * log_prob, where 0 * -inf = 0, and -inf has no gradient by the weight.
Tensor times(const Tensor& weight, const Tensor& log_prob);

/// Whether no element is NaN or infinite.
bool all_finite(const Tensor& x);

/// For sums of log-factorials: lgamma(1e6) in single precision is off by 0.5, whatever then
/// cancels. (Python's Poisson(1e6).log_prob(1e6) is -7.0 in single precision and -7.83 in double.)
Tensor in_double(const Tensor& x);

/// In single precision where libtorch lacks operators for half of it: on the CPU.
Tensor widened(const Tensor& x);

/// Whether it is a contiguous tensor of float or double on the CPU: an array for kernels of our
/// own.
bool is_plain(const Tensor& x);

// Whether all elements of x are within the bound and none is NaN. False, unchecked, on any device
// but the CPU.
bool all_at_least(const Tensor& x, double least);
bool all_at_most(const Tensor& x, double greatest);
/// Both, in one pass.
bool all_within(const Tensor& x, double least, double greatest);

/// The type for such sums, given the arguments of the gamma functions: single precision if all have
/// it and are at most 16. Then no log-gamma exceeds 28, and a log-probability is off by at most
/// 5e-6, or 5e-7 of itself.
at::ScalarType log_gamma_type(std::initializer_list<Tensor> arguments);

/// The parameter without the batch dimensions that expand() repeated, so that what depends on
/// parameters alone is computed once. One that requires a gradient stays as it is: its copies may
/// be told apart by theirs (baselines::ControlVariate does).
Tensor unexpanded(const Tensor& parameter, std::int64_t event_dim = 0);

/// A value expanded to its common shape with a parameter, which unexpanded() parameters need not
/// have.
Tensor expanded_with(const Tensor& value, const Tensor& parameter);

}  // namespace partita::distributions
