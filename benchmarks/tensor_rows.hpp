// A libtorch tensor of two dimensions as Rows.
#pragma once

#include <ATen/ATen.h>

#include "partita/base/rows.hpp"

namespace partita::benchmark {

inline MutableRows rows_of(const at::Tensor& t) {
  return {t.data_ptr(), t.scalar_type() == at::kFloat ? DType::f32 : DType::bf16,
          static_cast<std::size_t>(t.size(0)), static_cast<std::size_t>(t.size(1)), t.size(1)};
}

}  // namespace partita::benchmark
