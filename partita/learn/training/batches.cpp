// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/batches.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "partita/base/internal/check.hpp"
#include "partita/random/shuffle.hpp"

namespace partita::training {

Batches::Batches(std::int64_t examples, std::int64_t batch_size, const Stream& stream)
    : examples_(static_cast<std::uint64_t>(examples)),
      batch_size_(static_cast<std::uint64_t>(batch_size)),
      stream_(stream) {
  check_at_least("examples", examples, 1);
  check_at_least("batch_size", batch_size, 1);
}

void Batches::order(std::uint64_t epoch) {
  if (!order_.empty() && epoch == epoch_) return;
  epoch_ = epoch;
  order_.resize(examples_);
  std::iota(order_.begin(), order_.end(), 0);
  shuffle(order_, stream_.child(epoch));
}

Tensor Batches::at(std::uint64_t step) {
  Tensor rows = at::empty({batch_size()}, at::kLong);
  const std::span<std::int64_t> out(rows.data_ptr<std::int64_t>(), batch_size_);
  for (std::uint64_t done = 0; done < batch_size_;) {
    const std::uint64_t position = step * batch_size_ + done;
    order(position / examples_);
    const std::uint64_t first = position % examples_;
    const std::uint64_t count = std::min(batch_size_ - done, examples_ - first);
    std::copy_n(order_.begin() + static_cast<std::ptrdiff_t>(first), count,
                out.begin() + static_cast<std::ptrdiff_t>(done));
    done += count;
  }
  return rows;
}

}  // namespace partita::training
