// Tensors as reports, files and tests of statistics take them.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "partita/learn/tensor.hpp"

namespace partita::app {

/// Values in row-major order.
inline std::vector<double> to_vector(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

inline double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace partita::app
