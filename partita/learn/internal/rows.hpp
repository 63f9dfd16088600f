// A tensor's memory as the Rows that the core's functions take. Not installed.
#pragma once

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/rows.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

/// How many threads the core may use for the work of one pass over so many logits: torch's number,
/// or one where a second would take longer to start than the first to finish.
inline int threads_for(std::int64_t logits) {
  constexpr std::int64_t kAlone = 1'000'000;
  return logits > kAlone ? at::get_num_threads() : 1;
}

/// A view of a matrix on the CPU, of any strides; the tensor must outlive it.
/// @throws InvalidArgument unless it has one of the four types that Rows supports.
inline Rows rows_of(const char* argument, const Tensor& matrix) {
  const auto dtype = [&] {
    switch (matrix.scalar_type()) {
      case at::kFloat:
        return DType::f32;
      case at::kDouble:
        return DType::f64;
      case at::kBFloat16:
        return DType::bf16;
      case at::kHalf:
        return DType::f16;
      default:
        throw InvalidArgument(argument, fmt::format("expected a floating-point type, got {}",
                                                    c10::toString(matrix.scalar_type())));
    }
  }();
  return {matrix.data_ptr(),
          dtype,
          static_cast<std::size_t>(matrix.size(0)),
          static_cast<std::size_t>(matrix.size(1)),
          matrix.stride(0),
          matrix.stride(1)};
}

}  // namespace partita
