// SPDX-License-Identifier: Apache-2.0
// Draws whose gradient is implicit, and the tails that go with them, as tensors: for gamma, beta
// and von Mises, and all distributions made from one of them.
//
//   // X = exp(y), differentiable with respect to the concentration
//   const Tensor y = implicit_draw(Family::kLogGamma, random.log_standard_gamma(c.detach()), c);
//   const Tensor p = tail(Family::kLogGamma, Tail::kCdf, value.log(), c);
//
// Internal to distributions/. Computed in double, by tails.hpp on the CPU, and returned on the
// device of y. There are first derivatives only; asking autograd for a second is an
// InvalidArgument.
#pragma once

#include <initializer_list>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// The distribution of y, given its parameters: log X for X ~ Gamma(a, 1), logit X for X ~ Beta(a,
/// b), the angle in [-pi, pi] of the von Mises distribution of concentration a around 0.
enum class Family { kLogGamma, kLogitBeta, kVonMises };

enum class Tail { kCdf, kLogCdf, kLogSurvival };

/// y, as a function of the parameters: dy / d parameter = -(dF / d parameter) / density.
/// @param b defined only for kLogitBeta, here and below.
Tensor implicit_draw(Family family, const Tensor& y, const Tensor& a, const Tensor& b = {});

/// P(Y <= y), its logarithm, or log P(Y > y), in double; differentiable with respect to y and the
/// parameters.
Tensor tail(Family family, Tail which, const Tensor& y, const Tensor& a, const Tensor& b = {});

// What draws round to. All are of the type and on the device of `options`, and where a draw was
// moved it has no gradient.

/// `draw`, moved to the nearest normal positive number where it rounds to 0 or overflows.
Tensor positive_draw(const Tensor& draw, const at::TensorOptions& options);

/// The same for e^log_draw, which may overflow before it is moved.
Tensor exp_draw(const Tensor& log_draw, const at::TensorOptions& options);

/// The same for a draw of either sign.
Tensor finite_draw(const Tensor& draw, const at::TensorOptions& options);
/// finite_draw() in its own type, of loc + scale * noise, where |noise| <= 1e20: looks at the draws
/// only if a parameter is large enough that one may be infinite.
Tensor finite_draw(const Tensor& draw, std::initializer_list<Tensor> parameters);

/// The same for a draw in (0, 1).
Tensor fraction_draw(const Tensor& draw, const at::TensorOptions& options);

}  // namespace partita::distributions
