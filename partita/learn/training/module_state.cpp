// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/module_state.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "partita/learn/tensor.hpp"

namespace partita::training {
namespace {

/// Parameters, then buffers, in the order in which they were registered.
std::vector<std::pair<std::string, Tensor>> tensors_of(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& item : module.named_parameters()) out.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) out.emplace_back(item.key(), item.value());
  return out;
}

std::string description(at::ScalarType type, IntArrayRef shape) {
  return std::string(at::toString(type)) + " " + to_string(shape);
}

}  // namespace

void write_state(ArchiveWriter& out, const torch::nn::Module& module) {
  const auto tensors = tensors_of(module);
  out.u64(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor stored = tensor.detach().to(at::kCPU).contiguous();
    out.string(name);
    out.string(at::toString(stored.scalar_type()));
    out.array(std::span<const std::int64_t>(stored.sizes().data(), stored.sizes().size()));
    out.array(std::span<const std::uint8_t>(static_cast<const std::uint8_t*>(stored.data_ptr()),
                                            stored.nbytes()));
  }
}

void read_state(ArchiveReader& in, torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  const auto tensors = tensors_of(module);
  if (const std::uint64_t count = in.u64(); count != tensors.size()) {
    in.damaged(fmt::format("{} tensors, expected {}", count, tensors.size()));
  }
  for (const auto& [name, tensor] : tensors) {
    const std::string stored_name = in.string();
    const std::string stored_type = in.string();
    const std::vector<std::int64_t> shape = in.array<std::int64_t>();
    const std::vector<std::uint8_t> bytes = in.array<std::uint8_t>();
    Tensor stored = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
    if (stored_name != name || stored_type != at::toString(tensor.scalar_type()) ||
        IntArrayRef(shape) != tensor.sizes() || bytes.size() != stored.nbytes()) {
      in.damaged(fmt::format("{}, {} {}, where {}, {} is expected", stored_name, stored_type,
                             to_string(shape), name,
                             description(tensor.scalar_type(), tensor.sizes())));
    }
    std::memcpy(stored.data_ptr(), bytes.data(), bytes.size());
    Tensor(tensor).copy_(stored);
  }
}

}  // namespace partita::training
