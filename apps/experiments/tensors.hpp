// Tensors as results, files and tests of statistics take them.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <vector>

#include "apps/experiments/run.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::app {

/// @throws InvalidArgument if this libtorch or machine has no CUDA.
inline at::Device device_of(Device device) {
  if (device == Device::cpu) return at::kCPU;
  if (!at::hasCUDA()) {
    throw InvalidArgument("device", "this libtorch or this machine has no CUDA");
  }
  return at::kCUDA;
}

/// Values in row-major order.
inline std::vector<double> to_vector(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

inline double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace partita::app
