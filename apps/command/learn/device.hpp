// Where a command computes.
#pragma once

#include <ATen/Context.h>

#include <string>

#include "partita/base/error.hpp"

namespace partita::app {

/// "cpu" or "cuda". @throws InvalidArgument if this libtorch or machine has no CUDA.
inline at::Device device_of(const std::string& name) {
  if (name == "cuda" && !at::hasCUDA()) {
    throw InvalidArgument("--device", "this libtorch or this machine has no CUDA");
  }
  return at::Device(name);
}

}  // namespace partita::app
