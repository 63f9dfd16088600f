// SPDX-License-Identifier: Apache-2.0
// Which examples a step trains on, and the numbers that it draws, as functions of the step alone,
// so that a run can be resumed at any step from its weights only.
//
//   training::Batches batches(images.size(0), 64, {.seed = 1});
//   Tensor x = images.index_select(0, batches.at(step));
//   Random random = stream.child(kNoise).child(step);
#pragma once

#include <cstdint>
#include <vector>

#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita::training {

/// Examples in random order: one permutation of all of them after another, in batches of one size
/// that may straddle two permutations. In each successive stretch of `examples`, every example
/// occurs once. Permutation e is a function of stream.child(e).
class Batches {
 public:
  /// @throws InvalidArgument unless examples and batch_size are positive.
  Batches(std::int64_t examples, std::int64_t batch_size, const Stream& stream);

  /// int64 [batch_size], on the CPU. Steps in order are cheap; any order gives the same batches.
  Tensor at(std::uint64_t step);

  std::int64_t batch_size() const { return static_cast<std::int64_t>(batch_size_); }

 private:
  void order(std::uint64_t epoch);

  std::uint64_t examples_;
  std::uint64_t batch_size_;
  Stream stream_;
  std::uint64_t epoch_ = 0;
  std::vector<std::int64_t> order_ = {};  // that of epoch_; empty before the first
};

}  // namespace partita::training
