// SPDX-License-Identifier: Apache-2.0
// How far apart two tensors are.
#pragma once

#include <ATen/ATen.h>

namespace partita::app {

/// max |a - b|
inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace partita::app
