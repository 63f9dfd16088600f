// SPDX-License-Identifier: Apache-2.0
// Stochastic beam search over a model whose vocabulary is split over the ranks of a group
// (columns.hpp): k distinct sequences, exactly, the same on every rank.
//
//   class Mine : public partita::SequenceModel { ... };     // writes its own columns' logits
//   const partita::SplitColumns columns(250'000, group);
//   const Mine model(columns);
//   const auto beam = partita::stochastic_beam_search(model, {}, 25, stream, columns);
//
// The model is a SequenceModel like any other but for one thing: the rows that next_logits() fills
// are columns.size() long, logits of the tokens columns.first() ... columns.last() - 1. All ranks
// ask their models about the same prefixes at every step; each draws the k largest perturbed
// log-probabilities of its columns after each prefix, and these travel, O(k) numbers a prefix
// (gumbel_top_k.hpp). Moved so that the largest is that of the prefix, they are its children's.
#pragma once

#include "partita/search/stochastic_beam.hpp"
#include "partita/split/columns.hpp"

namespace partita {

/// As stochastic_beam_search() of a model that writes whole rows, and its distribution, but not its
/// draws: these are a function of the logits, the stream and the number of shards.
/// @param model   vocabulary_size() and end_token() are those of the whole vocabulary
/// @param options without a filter; threads divide the prefixes of a step
/// @throws InvalidArgument as the other; on every rank if the logits of one are NaN or +inf, or
///         everything is impossible after a prefix.
StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SplitColumns& columns,
                                      const SearchOptions& options = {});

}  // namespace partita
