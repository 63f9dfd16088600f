// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/weights.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <new>

namespace partita {

void WeightMatrix::Unmap::operator()(float* data) const { ::munmap(data, bytes); }

WeightMatrix::WeightMatrix(std::size_t rows, std::size_t columns)
    : rows_(rows),
      columns_(columns),
      stride_((columns + kPadding - 1) / kPadding * kPadding),
      data_(nullptr, Unmap{}) {
  if (stride_ < columns || rows > std::numeric_limits<std::size_t>::max() / sizeof(float) /
                                      std::max(stride_, kPadding)) {
    throw std::bad_alloc();
  }
  const std::size_t bytes = std::max<std::size_t>(1, rows * stride_ * sizeof(float));
  void* const data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  ::madvise(data, bytes, MADV_HUGEPAGE);  // may be refused
  data_ = {static_cast<float*>(data), Unmap{bytes}};
}

}  // namespace partita
