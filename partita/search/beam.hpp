// SPDX-License-Identifier: Apache-2.0
// Beam search: the k most likely sequences, as far as keeping the k most likely prefixes at every
// step finds them.
//
//   std::vector<partita::Hypothesis> best = partita::beam_search(model, {}, 5);
//   best[0].log_prob   // the highest
//
// Sequences that have ended (by the end token, or cut at max_length) leave the beam and wait in a
// pool of the k best, so that the result is exactly the k best of all sequences whose prefixes were
// in the beam. A prefix is dropped once nothing that begins with it can enter the pool; that
// changes no result. There is no randomness; for a random counterpart that does not collapse on
// near-copies of one sequence, see stochastic_beam.hpp; for a deterministic one, the groups of
// diverse beam search:
//
//   auto four = partita::beam_search(model, {}, 4, {}, {.num_beam_groups = 2,
//                                                      .diversity_penalty = 0.5});
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/search/search.hpp"

namespace partita {

struct BeamOptions {
  /// Sequences are ranked by log_prob / length^length_penalty, the end token counted: 0 ranks by
  /// probability, 1 by the mean log-probability of a token (as length_penalty in Hugging Face's
  /// `generate`, whose default is 1). Finite. Prefixes in the beam are compared without it: they
  /// have the same length.
  double length_penalty = 0;
  /// End as soon as k sequences have ended, better ones to come or not.
  bool early_stopping = false;
  /// Diverse beam search (Vijayakumar et al., "Diverse beam search for improved description of
  /// complex scenes", AAAI 2018): so many groups, each with a beam and a pool of
  /// k / num_beam_groups. They take every step in turn, and a group scores a token lower by
  /// diversity_penalty for each time that the groups before it have just chosen it: for their beam,
  /// or, if it ends a sequence, for their pool (the Hamming diversity; Hugging Face's `generate`
  /// leaves ends out). Penalties add up along a sequence; wherever sequences are ranked, log_prob
  /// is less by them. Two groups may still find the same sequence. Divides k.
  std::size_t num_beam_groups = 1;
  /// Above 0 with several groups, which would be copies of each other without it; 0 with one.
  double diversity_penalty = 0;
};

/// The k best sequences (fewer, if the model has fewer), best first. Equally likely ones
/// keep the order of their groups, of their prefixes, and then of their last tokens.
/// @throws InvalidArgument if k is 0 or more than the model's most_prefixes(), an option is out of
///         range, or the model gives NaN, +inf or only -inf.
std::vector<Hypothesis> beam_search(const SequenceModel& model, const Sequence& prompt,
                                    std::size_t k, const SearchOptions& options = {},
                                    const BeamOptions& beam_options = {});

/// One search for each prompt; the model is called once per step for the searches of a batch.
std::vector<std::vector<Hypothesis>> beam_search(const SequenceModel& model, Prompts prompts,
                                                 std::size_t k, const SearchOptions& options = {},
                                                 const BeamOptions& beam_options = {});

}  // namespace partita
