// SPDX-License-Identifier: Apache-2.0
// A run's device as a libtorch device.
#pragma once

#include <ATen/Context.h>
#include <c10/core/Device.h>

#include "apps/experiments/run.hpp"
#include "partita/base/error.hpp"

namespace partita::app {

/// @throws InvalidArgument if this libtorch or machine has no CUDA.
inline at::Device device_of(Device device) {
  if (device == Device::cpu) return at::kCPU;
  if (!at::hasCUDA()) {
    throw InvalidArgument("device", "this libtorch or this machine has no CUDA");
  }
  return at::kCUDA;
}

}  // namespace partita::app
