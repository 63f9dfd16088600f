// SPDX-License-Identifier: Apache-2.0
// The SIMD kernels of linear_softmax.cpp, on one row of a tile in place. Not installed.
#pragma once

#include <cstddef>

namespace partita::kernels {

struct LinearKernels {
  /// z[i] = z[i] + bias[i] (null: 0), then cap tanh(z / cap) if cap > 0.
  void (*finish_logits)(float* z, std::size_t n, const float* bias, float cap);

  /// z[i] = the derivative by the logit before its cap of what has, by z[i] itself, the derivative
  /// p (a + b log p) + c, log p = z[i] - log_sum_exp.
  void (*differentiate)(float* z, std::size_t n, double log_sum_exp, float a, float b, float c,
                        float cap);
};

/// Those for this machine.
const LinearKernels& linear_kernels();

}  // namespace partita::kernels
