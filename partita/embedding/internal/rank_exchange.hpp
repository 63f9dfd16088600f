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
#include "partita/embedding/vocabulary.hpp"

namespace partita {

class RankExchange {
 public:
  /// @param weights the same on every rank
  RankExchange(EmbeddingWeights& weights, Group& group);

  /// Ids of the words that are exchanged after a round, from 1 on: after each the kOften (512) most
  /// frequent ones, half of the next 512, a quarter of the next 1,024, an eighth of the next
  /// 2,048 ..., in turn. By Zipf's law every other word then occurs about as often between two
  /// exchanges of its rows, and every exchange is about as long.
  std::vector<WordId> words_after(std::uint64_t round) const;

  /// Whether all words are exchanged after this round: every period_ rounds.
  bool all_after(std::uint64_t round) const { return round % period_ == 0; }

  /// Brings together the ranks' changes of every row since it was last exchanged, to the same bits
  /// on every rank. The changes of a row are combined by an adaptive sum (row_copies.hpp); they
  /// travel as bfloat16.
  void exchange_all();

  /// Begins that for some words and returns, so that it takes place while the rank trains on: what
  /// the others have changed is added at the next call. Until exchange_all(), ranks differ by what
  /// they have changed since.
  void begin_exchange(std::vector<WordId> words);

  /// What makes up for adaptive sums, in which the same change by several ranks counts once: the
  /// factor of the learning rate, min(ranks, 8)^0.7. By trial: docs/scale.md has what ranks learn.
  static double rate(int ranks);

 private:
  static constexpr std::size_t kOften = 512;

  /// Changes that are on their way.
  struct Sent {
    std::vector<WordId> words;
    std::vector<float> rows;      ///< of each word when it was sent: inputs, outputs, bias
    std::vector<double> message;  ///< what has changed of them, bits of bfloat16
    std::future<std::vector<double>> messages;
  };

  void finish();
  void combine(const std::vector<double>& messages);

  EmbeddingWeights& weights_;
  Group& group_;
  EmbeddingWeights before_;   // as last exchanged
  std::uint64_t period_ = 1;  // rounds, of exchanges of all words
  Sent sent_;
};

}  // namespace partita
