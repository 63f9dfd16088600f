// SPDX-License-Identifier: Apache-2.0
// Shared by GeneralizedPareto and GeneralizedExtremeValue, whose supports end where 1 + c z = 0.
// Internal.
#pragma once

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// z, moved to where 1 + c z is at least `least`, from whichever side it has to be.
inline Tensor below_end(const Tensor& z, const Tensor& c, double least) {
  const Tensor unbounded = c == 0;
  const Tensor end = (least - 1) / c.masked_fill(unbounded, 1);
  return at::where(c > 0, at::maximum(z, end), at::where(unbounded, z, at::minimum(z, end)));
}

/// Noise, of which scale (e^(c noise) - 1) / c and its slopes are finite.
inline Tensor without_overflow(const Tensor& noise, const Tensor& scale, const Tensor& c) {
  constexpr double kOfSlopes = 10;  // the slope by c is noise times the draw
  const Tensor room = std::log(largest_number(noise.scalar_type())) - scale.detach().log();
  const Tensor largest = at::maximum(room - kOfSlopes, room / 2);  // a scale may leave less
  const Tensor none = c.detach() <= 0;
  return at::minimum(noise,
                     (largest / c.detach().masked_fill(none, 1)).masked_fill(none, kInfinity));
}

}  // namespace partita::distributions
