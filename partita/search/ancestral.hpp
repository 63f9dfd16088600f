// SPDX-License-Identifier: Apache-2.0
// Independent samples from a sequence model, token by token: "ancestral" because each token is
// drawn given its ancestors.
//
//   auto words = partita::ancestral_samples(model, {}, 1000, partita::Stream{.seed = 1},
//                                           {.max_length = 30});
//   words[7].tokens, words[7].log_prob
//
// For a mean over samples, arithmetic_samples() spreads them evenly over the model's sequences:
// each has the model's law, and together they repeat themselves less.
//
// Sample i draws from streams[i] alone, so neither the number of samples nor the batch or the
// threads change it. Samples that share a prefix advance as one until they diverge: the
// model sees each distinct prefix of a batch once.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

/// Draws n sequences that all begin with `prompt`. Token t of a sample is the inverse of the
/// cumulative softmax at the uniform at position t of its stream; a token's probability is exact to
/// 2^-53. With a step of options.filter that is random or has a state, token t is what sample()
/// draws with child t of the stream.
/// @throws InvalidArgument if an option is out of range, the prompt holds an invalid token, or the
///         model gives NaN, +inf or only -inf; the message names the prefix.
std::vector<Hypothesis> ancestral_samples(const SequenceModel& model, const Sequence& prompt,
                                          std::size_t n, const Streams& streams,
                                          const SearchOptions& options = {});

/// Draws n sequences by arithmetic sampling (Vilnis et al., ICML 2023): the model's sequences share
/// the interval [0, 1), each as much as its probability, in the order of their tokens; sample i is
/// the sequence at (i + u) / n modulo 1, with one uniform u for all. Each sample alone is
/// distributed as one of ancestral_samples(), so means over them are unbiased; a sequence of
/// probability p comes floor(n p) or ceil(n p) times. Where a sample's share of the interval has
/// fallen below 2^-20, its further tokens are independent of the others'.
/// @throws InvalidArgument as ancestral_samples(); a filter with a step that is random or has a
///         state is refused.
std::vector<Hypothesis> arithmetic_samples(const SequenceModel& model, const Sequence& prompt,
                                           std::size_t n, const Stream& stream,
                                           const SearchOptions& options = {});

}  // namespace partita
