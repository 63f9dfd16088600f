// Beam search: the k most likely sequences, as far as keeping the k most likely prefixes at every
// step finds them.
//
//   std::vector<partita::Hypothesis> best = partita::beam_search(model, {}, 5);
//   best[0].log_prob   // the highest
//
// There is no randomness and no length normalization. A finished sequence stays in the beam and
// competes with the unfinished ones; since log-probabilities only fall with length, it is dropped
// only if k prefixes are still more likely. For a random counterpart that does not collapse on
// near-copies of one sequence, see stochastic_beam.hpp.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/search/search.hpp"

namespace partita {

/// The k best sequences (fewer, if the model has fewer), most likely first. Equally likely ones
/// keep the order of their prefixes, and then of their last tokens.
/// @throws InvalidArgument if k is 0, an option is out of range, or the model gives NaN, +inf or
///         only -inf.
std::vector<Hypothesis> beam_search(const SequenceModel& model, const Sequence& prompt,
                                    std::size_t k, const SearchOptions& options = {});

/// One search for each prompt; the model is called once per step for the searches of a batch.
std::vector<std::vector<Hypothesis>> beam_search(const SequenceModel& model, Prompts prompts,
                                                 std::size_t k, const SearchOptions& options = {});

}  // namespace partita
