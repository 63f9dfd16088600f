// SPDX-License-Identifier: Apache-2.0
// A matrix of float weights whose rows begin on cache lines and are padded with zeros to whole
// lines, in large pages where the system has them: rows are visited at random, and page tables
// would otherwise be half of the memory traffic. Not installed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "partita/base/rows.hpp"

namespace partita {

class WeightMatrix {
 public:
  static constexpr std::size_t kPadding = 16;  // floats of a cache line, or of the widest vector

  /// All zeros. @throws std::bad_alloc
  WeightMatrix(std::size_t rows, std::size_t columns);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  /// Floats from one row to the next: columns rounded up to a multiple of kPadding.
  std::size_t stride() const { return stride_; }

  float* row(std::size_t i) { return data_.get() + i * stride_; }
  const float* row(std::size_t i) const { return data_.get() + i * stride_; }

  /// All elements, padding included.
  std::span<float> elements() { return {data_.get(), rows_ * stride_}; }
  std::span<const float> elements() const { return {data_.get(), rows_ * stride_}; }

  /// [rows, columns]
  Rows view() const { return {data_.get(), rows_, columns_, static_cast<std::ptrdiff_t>(stride_)}; }

 private:
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(float* data) const;
  };

  std::size_t rows_;
  std::size_t columns_;
  std::size_t stride_;
  std::unique_ptr<float[], Unmap> data_;
};

}  // namespace partita
