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

/// tail() of y = log(x), in the type of x and a. At x = 0 its gradient is 0.
Tensor tail_of_log(Family family, Tail which, const Tensor& x, const Tensor& a,
                   const Tensor& b = {});

/// `draw` in the type and on the device of `options`, moved to the nearest normal positive number
/// where it rounds to 0 or overflows there.
Tensor positive_draw(const Tensor& draw, const at::TensorOptions& options);

/// Likewise for a draw of either sign.
Tensor finite_draw(const Tensor& draw, const at::TensorOptions& options);

/// Likewise for a draw in (0, 1).
Tensor fraction_draw(const Tensor& draw, const at::TensorOptions& options);

}  // namespace partita::distributions
