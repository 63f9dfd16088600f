// SPDX-License-Identifier: Apache-2.0
// Internal to partita/embedding: the chunks that a rank trains in all epochs, in their order, and
// what the learning rate is where.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "partita/base/group.hpp"
#include "partita/embedding/corpus.hpp"

namespace partita {

class TrainingSchedule {
 public:
  static constexpr std::uint64_t kChunk = 8192;  ///< positions that a thread takes at a time

  /// A rank trains the positions that it holds, or its share of them where every one holds all.
  /// Ranks have equally many chunks, of which the last may be shorter, or empty.
  /// @param alpha the rate at the beginning
  TrainingSchedule(const Corpus& corpus, std::uint64_t epochs, double alpha,
                   Group& group = Group::alone())
      : first_(corpus.first()),
        last_(corpus.last()),
        words_(corpus.vocabulary().total()),
        epochs_(epochs),
        alpha_(alpha) {
    // One rank may hold all because the others' parts have no word of the vocabulary.
    double least = -static_cast<double>(last_ - first_);
    group.all_reduce(std::span(&least, 1), Reduction::max);
    if (group.size() > 1 && static_cast<std::uint64_t>(-least) == corpus.size()) {
      const auto rank = static_cast<std::uint64_t>(group.rank());
      const auto ranks = static_cast<std::uint64_t>(group.size());
      last_ = corpus.size() * (rank + 1) / ranks;
      first_ = corpus.size() * rank / ranks;
    }
    auto most = static_cast<double>(last_ - first_);
    group.all_reduce(std::span(&most, 1), Reduction::max);
    chunks_of_epoch_ = (static_cast<std::uint64_t>(most) + kChunk - 1) / kChunk;
  }

  /// Of all epochs.
  std::uint64_t chunks() const { return chunks_of_epoch_ * epochs_; }
  std::uint64_t epoch_of(std::uint64_t chunk) const { return chunk / chunks_of_epoch_; }
  // A chunk's positions in its epoch: [first, last).
  std::uint64_t first_of(std::uint64_t chunk) const {
    return std::min(last_, first_ + chunk % chunks_of_epoch_ * kChunk);
  }
  std::uint64_t last_of(std::uint64_t chunk) const {
    return std::min(last_, first_of(chunk) + kChunk);
  }

  /// Words of the whole corpus passed before a chunk, if all ranks are as far.
  std::uint64_t words_before(std::uint64_t chunk) const {
    return epoch_of(chunk) * words_ +
           static_cast<std::uint64_t>(static_cast<double>(words_) * share_before(first_of(chunk)));
  }

  double learning_rate(std::uint64_t epoch, std::uint64_t position) const {
    constexpr double kLeast = 1e-4;  // as a share of the initial rate
    const double done =
        (static_cast<double>(epoch) + share_before(position)) / static_cast<double>(epochs_);
    return alpha_ * std::max(kLeast, 1 - done);
  }

 private:
  /// How much of an epoch lies before a position.
  double share_before(std::uint64_t position) const {
    return last_ == first_
               ? 0
               : static_cast<double>(position - first_) / static_cast<double>(last_ - first_);
  }

  std::uint64_t first_;
  std::uint64_t last_;
  std::uint64_t words_;
  std::uint64_t epochs_;
  double alpha_;
  std::uint64_t chunks_of_epoch_ = 0;
};

}  // namespace partita
