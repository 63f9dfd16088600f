// SPDX-License-Identifier: Apache-2.0
// Word vectors that several processes train, each on its part of the corpus: from time to time they
// are brought together, the rows of frequent words often, those of rare ones seldom (Ji, Satish,
// Li, Dubey 2016, section 4). Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/embedding/internal/window_trainer.hpp"

namespace partita {

class RankExchange {
 public:
  /// @param weights the same on every rank
  RankExchange(EmbeddingWeights& weights, Group& group);

  /// How many of the most frequent words are exchanged after a round, from 1 on: always kOften, and
  /// after every second, fourth, eighth ... of some rounds two, four, eight ... times as many. By
  /// Zipf's law every other word then occurs about as often between two exchanges of its rows. Two
  /// ranks, whose sum of changes goes too far by one of them at most, exchange these words after
  /// every fourth round, more ranks after every one.
  std::size_t words_after(std::uint64_t round) const;
  bool all_after(std::uint64_t round) const { return words_after(round) == weights_.inputs.rows(); }

  /// Brings together the ranks' changes of the rows of the first `words` words since these were
  /// last exchanged, to the same bits on every rank. The changes of a word are added up: they are
  /// few, and small. Those of the most frequent (kOften, or of more than two ranks kAdaptive) are
  /// many, and are combined by adaptive sums (row_copies.hpp).
  void exchange(std::size_t words);

  /// What makes up for adaptive sums, in which the same change by several ranks counts once: the
  /// factor of the learning rate, (ranks / 2)^0.3 for more than two. By trial: docs/scale.md has
  /// what 4 and 8 ranks then learn.
  static double rate(int ranks);

 private:
  static constexpr std::size_t kOften = 512;
  static constexpr std::size_t kAdaptive = 2048;

  std::vector<double> message(std::size_t first, std::size_t words) const;
  void combine(std::size_t first, std::size_t words, const std::vector<double>& messages);

  EmbeddingWeights& weights_;
  Group& group_;
  EmbeddingWeights before_;  // as last exchanged
};

}  // namespace partita
