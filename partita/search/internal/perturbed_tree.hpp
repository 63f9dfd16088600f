// SPDX-License-Identifier: Apache-2.0
// Internal to partita/search: the noise of the tree of prefixes, as a pure function of a stream.
// stochastic_beam.cpp and unique.cpp walk the same tree, breadth-first and depth-first.
#pragma once

#include <cstdint>
#include <optional>

#include "partita/gumbel/top_down.hpp"
#include "partita/search/internal/beam_steps.hpp"

namespace partita {

// In a node's stream, position 0 is the root's own Gumbel, and the noise of the node's children
// begins at 4. The noise below child t is that of stream.child(t).
inline constexpr std::uint64_t kChildrenNoise = 4;

/// The root: phi = 0, and the largest of all perturbed log-probabilities is Gumbel(0).
inline Prefix perturbed_root(const Sequence& prompt, const Stream& stream) {
  return {.tokens = prompt, .perturbed = stream.gumbel(0), .stream = stream};
}

/// The parent extended by `token`, with the noise below it.
inline Prefix perturbed_child(const Prefix& parent, Token token, double log_prob, double perturbed,
                              Token end_token, std::size_t longest) {
  Prefix child = extend(parent, token, log_prob, end_token, longest);
  child.perturbed = perturbed;
  if (!child.leaf) child.stream = parent.stream.child(static_cast<std::uint64_t>(token));
  return child;
}

/// The children of a prefix from the largest perturbed log-probability down: that of the first is
/// the parent's own.
class PerturbedChildren {
 public:
  /// @param row the logits after the parent; must outlive the calls of next().
  void open(const Prefix& parent, Rows row) {
    normalizer_ = top_down_.reset(row);
    top_down_.start(
        parent.stream,
        {.location = parent.log_prob, .maximum = parent.perturbed, .position = kChildrenNoise});
  }

  /// The perturbed log-probability of the child that next() would return; -inf when none is left.
  double peek() { return top_down_.peek(); }

  std::optional<Prefix> next(const Prefix& parent, Token end_token, std::size_t longest) {
    const auto item = top_down_.next();
    if (!item) return std::nullopt;
    return perturbed_child(parent, static_cast<Token>(item->index),
                           parent.log_prob + normalizer_.log_prob(item->logit), item->perturbed,
                           end_token, longest);
  }

 private:
  TopDown top_down_;
  Normalizer normalizer_;
};

}  // namespace partita
