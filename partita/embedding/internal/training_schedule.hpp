// SPDX-License-Identifier: Apache-2.0
// Internal to partita/embedding: the chunks of all epochs in their order, and what the learning
// rate is where.
#pragma once

#include <algorithm>
#include <cstdint>

#include "partita/embedding/corpus.hpp"

namespace partita {

class TrainingSchedule {
 public:
  static constexpr std::uint64_t kChunk = 8192;  ///< positions that a thread takes at a time

  /// @param alpha the rate at the beginning
  TrainingSchedule(const Corpus& corpus, std::uint64_t epochs, double alpha)
      : positions_(corpus.size()),
        words_(corpus.vocabulary().total()),
        epochs_(epochs),
        chunks_of_epoch_((positions_ + kChunk - 1) / kChunk),
        alpha_(alpha) {}

  /// Of all epochs.
  std::uint64_t chunks() const { return chunks_of_epoch_ * epochs_; }
  std::uint64_t epoch_of(std::uint64_t chunk) const { return chunk / chunks_of_epoch_; }
  // A chunk's positions in its epoch: [first, last).
  std::uint64_t first_of(std::uint64_t chunk) const { return chunk % chunks_of_epoch_ * kChunk; }
  std::uint64_t last_of(std::uint64_t chunk) const {
    return std::min(positions_, first_of(chunk) + kChunk);
  }

  /// Words passed before a chunk: its share of the positions, some of which are line ends.
  std::uint64_t words_before(std::uint64_t chunk) const {
    return epoch_of(chunk) * words_ +
           static_cast<std::uint64_t>(static_cast<double>(words_) *
                                      static_cast<double>(first_of(chunk)) /
                                      static_cast<double>(positions_));
  }

  double learning_rate(std::uint64_t epoch, std::uint64_t position) const {
    constexpr double kLeast = 1e-4;  // as a share of the initial rate
    const double done = (static_cast<double>(epoch) +
                         static_cast<double>(position) / static_cast<double>(positions_)) /
                        static_cast<double>(epochs_);
    return alpha_ * std::max(kLeast, 1 - done);
  }

  void begin_at_rate(double alpha) { alpha_ = alpha; }

 private:
  std::uint64_t positions_;
  std::uint64_t words_;
  std::uint64_t epochs_;
  std::uint64_t chunks_of_epoch_;
  double alpha_;
};

}  // namespace partita
