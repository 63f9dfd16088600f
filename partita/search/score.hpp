// What a model says of given sequences, token by token: for perplexity, and for how well the
// probabilities of the next token are calibrated.
//
//   auto scores = partita::score_sequences(model, sentences);
//   double nll = 0;
//   for (const auto& score : scores[0]) nll -= score.log_prob;      // of the first sentence
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "partita/search/search.hpp"

namespace partita {

/// A model's prediction of one token, before it saw it.
struct TokenScore {
  double log_prob;    ///< of the token that came
  double confidence;  ///< the probability of the most likely token
  bool correct;       ///< whether that one came (the lowest of those that tie)

  bool operator==(const TokenScore&) const = default;
};

/// Looks at the logits behind a score: of the token at `position` of a sequence, [1, V], the filter
/// applied. Calls for one sequence come one after the other; those for others from other threads.
using SeeLogits = std::function<void(std::size_t sequence, std::size_t position, Rows logits)>;

/// The scores of each sequence's tokens, and of the end token after them if the model has one.
/// Incremental models read each token once; sequences of a batch are read side by side.
/// @param options filter, batch and threads; max_length is not looked at.
/// @throws InvalidArgument if a sequence holds the end token or something that is no token, or the
///         model gives NaN, +inf or nothing but -inf.
std::vector<std::vector<TokenScore>> score_sequences(const SequenceModel& model,
                                                     std::span<const Sequence> sequences,
                                                     const SearchOptions& options = {},
                                                     const SeeLogits& see = {});

}  // namespace partita
