// SPDX-License-Identifier: Apache-2.0
// Internal to partita/text: the counts of an n-gram model, as a trie of contexts read backwards.
//
// The root is the empty context. The child of context h by symbol s is the context "s before h":
// one token more of the past. So a walk from the root along the last token, the one before it and
// so on, as far as the trie goes, meets exactly the contexts that the model interpolates, shortest
// first. Nodes are stored in breadth-first order with siblings side by side, so each array
// below is one flat piece, and the same text always gives the same bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/search/sequence_model.hpp"

namespace partita {

inline constexpr int kMaxNgramOrder = 16;

struct NgramTable {
  std::uint32_t order = 1;
  std::uint32_t vocabulary = 1;       ///< tokens are 0 ... vocabulary - 1
  std::uint32_t end = 0;              ///< the token that ends a line; never part of a context
  std::vector<std::uint32_t> symbol;  ///< [nodes] the symbol by which a node extends its parent
  std::vector<std::uint32_t>
      child_begin;  ///< [nodes + 1] children of n: child_begin[n] ... [n + 1]
  std::vector<std::uint32_t> entry_begin;  ///< [nodes + 1] entries of n, likewise
  std::vector<std::uint32_t> token;  ///< [entries] tokens that followed the context, ascending
  std::vector<std::uint32_t> count;  ///< [entries] how often each did

  // Derived by finish().
  std::vector<double> total;        ///< [nodes] c(h), the sum of a node's counts
  std::vector<double> unigram;      ///< [vocabulary] P(w)
  std::vector<double> log_unigram;  ///< [vocabulary]

  /// The symbol before the first token; it is in contexts and is never predicted.
  std::uint32_t begin() const { return vocabulary; }
  std::size_t nodes() const { return symbol.size(); }

  /// Call once the arrays are complete.
  void finish();

  /// The child of a node by a symbol, or 0 (the root is nobody's child).
  std::size_t child(std::size_t node, std::uint32_t by) const;

  /// log P(w | prefix) of every token w.
  void log_probs(std::span<const Token> prefix, std::span<double> out) const;
  /// The same for one token, identical to the bit, without the others.
  double log_prob(std::span<const Token> prefix, std::uint32_t w) const;

 private:
  /// P(w | prefix) = share P(w) + sum over the prefix's seen contexts d, from one symbol to the
  /// longest, of scale[d] times how often w followed.
  struct Mixture {
    std::size_t depth = 0;
    std::array<std::size_t, kMaxNgramOrder> path = {};  ///< nodes of the contexts
    std::array<double, kMaxNgramOrder> scale = {};
    double share = 1;
  };
  Mixture mixture(std::span<const Token> prefix) const;
};

}  // namespace partita
