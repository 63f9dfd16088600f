// SPDX-License-Identifier: Apache-2.0
// Internal to partita/search: several beams that advance together, so that the model is called once
// per step for all of them. What a step keeps is for each search to decide.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

/// A node of the tree of prefixes, as a beam or a trie holds it.
struct Prefix {
  Sequence tokens{};  ///< including the prompt's
  double log_prob = 0;
  double perturbed = 0;   ///< the largest perturbed log-probability below it
  Stream stream{};        ///< stream of the noise below it
  bool finished = false;  ///< the end token came
  bool leaf = false;      ///< finished, or as long as allowed
  std::size_t row = 0;    ///< that of the logits that led to it, later of those that follow it
};

/// The parent extended by `token`.
inline Prefix extend(const Prefix& parent, Token token, double log_prob, Token end_token,
                     std::size_t longest) {
  Prefix child{.log_prob = log_prob, .finished = token == end_token, .row = parent.row};
  child.tokens.reserve(parent.tokens.size() + 1);
  child.tokens = parent.tokens;
  if (!child.finished) child.tokens.push_back(token);
  child.leaf = child.finished || child.tokens.size() >= longest;
  return child;
}

/// Calls take(token, log_prob) for each child of a prefix that is possible, log_prob the child's.
/// @param logits as run_beams() gives them
template <class Take>
void for_each_child(const Prefix& parent, Rows logits, const Take& take) {
  visit(logits.dtype(), [&]<Element E>(E) {
    const std::span z(logits.row_data<E>(parent.row), logits.columns());
    const Normalizer normalizer = normalizers(logits.slice(parent.row, 1)).front();
    for (std::size_t i = 0; i < z.size(); ++i) {
      const auto logit = static_cast<double>(z[i]);
      if (logit == -std::numeric_limits<double>::infinity()) continue;
      take(static_cast<Token>(i), parent.log_prob + normalizer.log_prob(logit));
    }
  });
}

inline void strip_prompt(Sequence& tokens, std::size_t prompt) {
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(prompt));
}

/// Advances every beam until it holds only leaves.
/// @param decoder a Decoder, or what gives a step other rows than whole ones
/// @param step step(search, beam, logits) replaces the beam by its next contents. The logits
///             after beam[i], unless it is a leaf, stand in row beam[i].row; every prefix made with
///             extend() keeps that row, whose state it continues.
template <class AnyDecoder, class Step>
void run_beams(AnyDecoder&& decoder, std::vector<std::vector<Prefix>>& beams, const Step& step) {
  std::vector<Sequence> prefixes;
  std::vector<std::size_t> parents;
  while (true) {
    const bool began = !prefixes.empty();
    prefixes.clear();
    parents.clear();
    for (std::vector<Prefix>& beam : beams) {
      for (Prefix& prefix : beam) {
        if (prefix.leaf) continue;
        parents.push_back(std::exchange(prefix.row, prefixes.size()));
        prefixes.push_back(prefix.tokens);
      }
    }
    if (prefixes.empty()) return;
    if (began) decoder.reorder(parents);
    const auto logits = decoder.next(prefixes);
    for (std::size_t search = 0; search < beams.size(); ++search) {
      const bool open = std::any_of(beams[search].begin(), beams[search].end(),
                                    [](const Prefix& prefix) { return !prefix.leaf; });
      if (open) step(search, beams[search], logits);
    }
  }
}

}  // namespace partita
