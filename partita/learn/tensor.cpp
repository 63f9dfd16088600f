// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/tensor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "partita/base/error.hpp"

namespace partita {

Tensor TensorOrNumber::tensor(const at::TensorOptions& options) const {
  return is_number() ? at::full({}, number_, options) : tensor_;
}

std::vector<Tensor> as_tensors(
    const std::vector<std::pair<const char*, TensorOrNumber>>& arguments) {
  auto options = at::TensorOptions(at::typeMetaToScalarType(at::get_default_dtype()));
  for (const auto& [name, argument] : arguments) {
    if (argument.is_number()) continue;
    const Tensor tensor = argument.tensor();
    if (!tensor.is_floating_point()) {
      throw InvalidArgument(name, fmt::format("expected a floating-point tensor, got {}",
                                              at::toString(tensor.scalar_type())));
    }
    options = tensor.options();
    break;
  }
  std::vector<Tensor> tensors;
  for (const auto& [name, argument] : arguments) {
    tensors.push_back(argument.tensor(options));
    if (!tensors.back().is_floating_point()) {
      throw InvalidArgument(name, fmt::format("expected a floating-point tensor, got {}",
                                              at::toString(tensors.back().scalar_type())));
    }
  }
  return tensors;
}

Shape concatenate(IntArrayRef a, IntArrayRef b) {
  Shape shape = a.vec();
  shape.insert(shape.end(), b.begin(), b.end());
  return shape;
}

std::string to_string(IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

double epsilon(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return std::numeric_limits<double>::epsilon();
    case at::kFloat:
      return std::numeric_limits<float>::epsilon();
    case at::kHalf:
      return 0x1p-10;
    default:
      return 0x1p-7;  // bfloat16
  }
}

double smallest_normal(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return std::numeric_limits<double>::min();
    case at::kHalf:
      return 0x1p-14;
    default:
      return std::numeric_limits<float>::min();  // and bfloat16, which has its exponents
  }
}

double largest_number(at::ScalarType type) {
  // 2^(2 - e) (1 - epsilon / 2), where the smallest normal number is 2^e.
  return (2 - epsilon(type)) * (2 / smallest_normal(type));
}

Tensor one_hot(const Tensor& index, std::int64_t categories, const at::TensorOptions& options) {
  return at::zeros(concatenate(index.sizes(), {categories}), options)
      .scatter_(-1, index.unsqueeze(-1), 1);
}

Tensor sum_rightmost(const Tensor& value, std::int64_t dims) {
  return dims == 0 ? value : value.flatten(value.dim() - dims).sum(-1);
}

}  // namespace partita
