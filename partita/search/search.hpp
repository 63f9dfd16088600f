// SPDX-License-Identifier: Apache-2.0
// Options and results shared by all searches over sequences, and the order of their arguments. See
// sequence_model.hpp for what is searched, and for the searches themselves
//
//   ancestral.hpp                  n independent samples
//   beam.hpp                       the k most likely sequences, as far as a beam finds them
//   stochastic_beam.hpp            k distinct sequences, an exact sample without replacement
//   conditional_poisson_beam.hpp   k distinct sequences, a beam that keeps a random set each step
//   unique.hpp                     distinct sequences, one at a time, on demand
//
// All take (model, prompt, k, stream, options), or for several prompts (model, prompts, k, streams,
// options), each leaving out what it does not need. A prompt of {} is empty.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/sampler/settings.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita {

/// The prompts of several searches. It cannot be made from {}, which is one empty prompt.
class Prompts : public std::span<const Sequence> {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  Prompts(std::span<const Sequence> prompts) : std::span<const Sequence>(prompts) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Prompts(const std::vector<Sequence>& prompts) : std::span<const Sequence>(prompts) {}
};

struct SearchOptions {
  /// A sequence is cut after this many tokens; the end token counts as one. >= 1.
  std::size_t max_length = 256;
  /// Applied to every row of logits first; log-probabilities are those of the filtered model.
  /// `history` is each prefix; what is set there is ignored. Steps that are random or have a state
  /// (XTC, Mirostat, adaptive-p) are for ancestral_samples(): each sample has a state of its own,
  /// which begins as the one that is set here, and log-probabilities are those of its draws. Where
  /// sequences are compared, there is no one distribution, and such steps are refused.
  SamplerSettings filter{};
  /// Samples (or searches) are divided among this many threads, each of which calls the model.
  int threads = 1;
  /// The most prefixes given to the model in one call; 0 chooses by the size of the vocabulary. One
  /// search's beam is never split. It does not change any result.
  std::size_t batch = 0;
};

/// One sequence that a search returns.
struct Hypothesis {
  Sequence tokens;        ///< without the prompt, without the end token
  bool finished = false;  ///< true: ended by the end token; false: cut at max_length
  double log_prob = 0;    ///< sum of the tokens' log-probabilities, including the end token's

  bool operator==(const Hypothesis&) const = default;
};

/// One sequence of a sample without replacement.
struct PerturbedHypothesis : Hypothesis {
  double perturbed = 0;  ///< log_prob + Gumbel noise

  bool operator==(const PerturbedHypothesis&) const = default;
};

}  // namespace partita
