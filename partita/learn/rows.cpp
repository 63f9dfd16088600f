// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/rows.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdint>

#include "partita/base/error.hpp"

namespace partita {
namespace {

DType dtype_from(at::ScalarType type, const char* argument) {
  switch (type) {
    case at::kFloat:
      return DType::f32;
    case at::kDouble:
      return DType::f64;
    case at::kBFloat16:
      return DType::bf16;
    case at::kHalf:
      return DType::f16;
    default:
      throw InvalidArgument(
          argument, fmt::format("expected a floating-point type, got {}", c10::toString(type)));
  }
}

at::ScalarType scalar_type_from(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::f32:
      break;
  }
  return at::kFloat;
}

}  // namespace

MutableRows mutable_rows_of(const Tensor& matrix, const char* argument) {
  if (matrix.dim() != 2) {
    throw InvalidArgument(argument,
                          fmt::format("expected a matrix, got {}", to_string(matrix.sizes())));
  }
  if (!matrix.device().is_cpu()) {
    throw InvalidArgument(argument,
                          fmt::format("expected it on the CPU, got {}", matrix.device().str()));
  }
  const DType dtype = dtype_from(matrix.scalar_type(), argument);
  return {matrix.data_ptr(),
          dtype,
          static_cast<std::size_t>(matrix.size(0)),
          static_cast<std::size_t>(matrix.size(1)),
          matrix.stride(0),
          matrix.stride(1)};
}

Rows rows_of(const Tensor& matrix, const char* argument) {
  return mutable_rows_of(matrix, argument);
}

Tensor to_tensor(const Rows& rows) {
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  const Tensor view = at::from_blob(const_cast<void*>(rows.data()),  // read only
                                    {size(rows.rows()), size(rows.columns())},
                                    {rows.row_stride(), rows.column_stride()},
                                    at::TensorOptions(scalar_type_from(rows.dtype())));
  return view.clone(at::MemoryFormat::Contiguous);
}

std::vector<double> to_vector(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

}  // namespace partita
