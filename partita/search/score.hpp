// SPDX-License-Identifier: Apache-2.0
// What a model says about given sequences, token by token: for perplexity, and for the calibration
// of next-token probabilities.
//
//   auto scores = partita::score_sequences(model, sentences);
//   double nll = 0;
//   for (const auto& score : scores[0]) nll -= score.log_prob;      // the first sentence's
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "partita/search/search.hpp"

namespace partita {

/// A model's prediction of one token before seeing it.
struct TokenScore {
  double log_prob;    ///< log-probability of the actual token
  double confidence;  ///< the probability of the most likely token
  bool correct;       ///< whether that token (of ties, the lowest) is the actual one

  bool operator==(const TokenScore&) const = default;
};

/// Receives the logits behind a score: those for the token at `position` of a sequence, [1, V], the
/// filter applied. Calls for one sequence are made in order; calls for different sequences may come
/// from different threads.
using SeeLogits = std::function<void(std::size_t sequence, std::size_t position, Rows logits)>;

/// The scores of each sequence's tokens, and of the end token after them if the model has one.
/// Incremental models read each token once; sequences of a batch are read side by side.
/// @param options filter, batch and threads; max_length is ignored.
/// @throws InvalidArgument if a sequence holds the end token or an invalid token, or the model
///         gives NaN, +inf or only -inf.
std::vector<std::vector<TokenScore>> score_sequences(const SequenceModel& model,
                                                     std::span<const Sequence> sequences,
                                                     const SearchOptions& options = {},
                                                     const SeeLogits& see = {});

}  // namespace partita
