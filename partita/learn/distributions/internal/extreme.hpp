// Shared by GeneralizedPareto and GeneralizedExtremeValue, whose supports end where 1 + c z = 0.
// Internal.
#pragma once

#include <ATen/ATen.h>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// z, moved to where 1 + c z is at least `least`, from whichever side it has to be.
inline Tensor below_end(const Tensor& z, const Tensor& c, double least) {
  const Tensor unbounded = c == 0;
  const Tensor end = (least - 1) / c.masked_fill(unbounded, 1);
  return at::where(c > 0, at::maximum(z, end), at::where(unbounded, z, at::minimum(z, end)));
}

}  // namespace partita::distributions
