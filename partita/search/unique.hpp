// SPDX-License-Identifier: Apache-2.0
// Sampling sequences without replacement, one at a time: the next distinct sequence on demand,
// until there is none left.
//
//   partita::UniqueSampler sampler(model, {}, {.seed = 1});
//   while (auto sequence = sampler.next()) {         // never the same one twice
//     if (good(sequence->tokens)) break;
//   }
//
// The order is that of drawing sequences one after the other, each with its probability among those
// left (Shi, Bieber, Sutton, "Incremental sampling without replacement for sequence models", ICML
// 2020). Their UniqueRandomizer subtracts what was returned from the probabilities in a trie of
// prefixes. Here nothing is subtracted, so nothing cancels and exhaustion is exact: the trie's open
// prefixes wait in a heap, each with the perturbed log-probability of the best sequence below it
// that has not been returned (top_down.hpp), and the largest one is followed to its end. The first
// k sequences are those of stochastic_beam_search(model, prompt, k, stream).
//
// The model is called for one prefix at a time, and once for each; its logits and about 2 KB more
// are kept for every prefix visited, because the sampler may come back to it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

class UniqueSampler {
 public:
  /// @param model must outlive the sampler, and so must what options.filter.allowed points to.
  /// @throws InvalidArgument if an option is out of range.
  UniqueSampler(const SequenceModel& model, const Sequence& prompt, const Stream& stream,
                const SearchOptions& options = {});
  ~UniqueSampler();
  UniqueSampler(UniqueSampler&&) noexcept;
  UniqueSampler& operator=(UniqueSampler&&) noexcept;

  /// The next sequence; nothing once all possible ones have been returned.
  /// @throws InvalidArgument if the model gives NaN, +inf or only -inf.
  std::optional<PerturbedHypothesis> next();

  /// The perturbed log-probability of the sequence that next() would return; -inf when there is
  /// none. After k calls of next() it is the kappa of those k: see importance_weights.hpp.
  double threshold() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace partita
