// SPDX-License-Identifier: Apache-2.0
// Word vectors that several processes train, each on its part of the corpus: from time to time they
// are brought together, the rows of frequent words often, those of rare ones seldom (Ji, Satish,
// Li, Dubey 2016, section 4). Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/embedding/internal/window_trainer.hpp"

namespace partita {

class RankExchange {
 public:
  /// @param weights the same on every rank
  RankExchange(EmbeddingWeights& weights, Group& group);

  /// How many of the most frequent words are exchanged after a round, from 1 on: always kOften, and
  /// after every second, fourth, eighth ... two, four, eight ... times as many. By Zipf's law every
  /// other word then occurs about as often between two exchanges of its rows.
  std::size_t words_after(std::uint64_t round) const;
  bool all_after(std::uint64_t round) const { return words_after(round) == weights_.inputs.rows(); }

  /// Brings together the ranks' changes of the rows of the first `words` words since these were
  /// last exchanged, to the same bits on every rank. The changes of a row are combined by an
  /// adaptive sum (row_copies.hpp).
  void exchange(std::size_t words);

  /// Begins that and returns, so that it takes place while the rank trains on: what the others have
  /// changed is added at the next call. Until an exchange() of these words, ranks differ by what
  /// they have changed since.
  void begin_exchange(std::size_t words);

  /// What makes up for adaptive sums, in which the same change by several ranks counts once: the
  /// factor of the learning rate, min(ranks, 8)^0.7. By trial: docs/scale.md has what ranks learn.
  static double rate(int ranks);

 private:
  static constexpr std::size_t kOften = 512;

  /// Changes that are on their way.
  struct Sent {
    std::size_t first = 0;
    std::size_t words = 0;
    std::vector<float> rows;  ///< of each word when it was sent: inputs, outputs, bias
    std::future<std::vector<double>> messages;
  };

  void send(std::size_t first, std::size_t words);
  void finish();
  void combine(const std::vector<double>& messages);

  EmbeddingWeights& weights_;
  Group& group_;
  EmbeddingWeights before_;  // as last exchanged
  Sent sent_;
};

}  // namespace partita
