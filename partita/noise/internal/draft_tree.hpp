// SPDX-License-Identifier: Apache-2.0
// Internal to partita/noise: the prefixes that a draft model proposes in one round of speculative
// sampling.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

/// Node 0 is the text so far. A parent stands before its children.
struct DraftTree {
  struct Node {
    Sequence prefix = {};                    ///< the prompt included; without the end token
    Token token = -1;                        ///< that led to it
    bool finished = false;                   ///< by the end token: it has no children
    std::vector<std::size_t> children = {};  ///< in the order drawn
    /// The draft's, after it, if children were drawn from it without replacement.
    std::vector<double> logits = {};
  };
  std::vector<Node> nodes;

  /// Adds a child; returns its index.
  std::size_t add(std::size_t parent, Token token, Token end_token);
  /// The child by that token; 0 if there is none.
  std::size_t child(std::size_t parent, Token token) const;
};

/// The beam of each step of a stochastic beam search of width `drafts`: at every node, children are
/// a sample without replacement from the draft's distribution there.
DraftTree draft_without_replacement(const SequenceModel& draft, const Sequence& text,
                                    std::size_t drafts, std::size_t length, const Stream& stream,
                                    const SearchOptions& options);

/// `drafts` sequences that share beginnings: the k-th draws the token of each step with the noise
/// at addresses[step * drafts + k].
DraftTree draft_at_addresses(const SequenceModel& draft, const Sequence& text, std::size_t drafts,
                             std::span<const Stream> addresses, const SearchOptions& options);

}  // namespace partita
