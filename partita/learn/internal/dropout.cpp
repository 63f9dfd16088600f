// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/internal/dropout.hpp"

#include <ATen/ATen.h>

namespace partita {

Tensor drop(const Tensor& x, double p, const std::optional<Random>& random) {
  if (!random || p == 0) return x;
  const Tensor kept = random->uniform(x.sizes(), x.options()) >= p;
  return x * kept.to(x.scalar_type()).mul_(1 / (1 - p));
}

}  // namespace partita
