// SPDX-License-Identifier: Apache-2.0
// Small language models for chapter H, and the law of their texts.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

#include "apps/tour/claim.hpp"
#include "partita/search/sequence_model.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {

/// A model of `v` tokens that never ends: logits of standard deviation `sigma` after each token.
inline CallableModel random_model(std::size_t v, double sigma) {
  return {v, -1, [v, sigma](std::span<const Token> prefix) {
            const auto last = prefix.empty() ? v : static_cast<std::size_t>(prefix.back());
            std::vector<double> row(v);
            for (std::size_t i = 0; i < v; ++i) {
              row[i] = sigma * Stream{.seed = 1, .id = last}.normal(i);
            }
            return row;
          }};
}

/// Adds the texts that begin with a prefix to texts_of().
inline void list_texts(const SequenceModel& model, std::size_t length, const Sequence& prefix,
                       double log_prob, std::map<Sequence, double>& out) {
  std::vector<double> phi(model.vocabulary_size());
  model.next_logits({&prefix, 1}, nullptr, row_to(phi));
  log_softmax(row_of(phi), row_to(phi));
  for (std::size_t i = 0; i < phi.size(); ++i) {
    const auto token = static_cast<Token>(i);
    if (token == model.end_token()) {
      out[prefix] = log_prob + phi[i];
      continue;
    }
    Sequence text = prefix;
    text.push_back(token);
    if (text.size() == length) {
      out[text] = log_prob + phi[i];
    } else {
      list_texts(model, length, text, log_prob + phi[i], out);
    }
  }
}

/// Every text of a model, cut at `length`, with its log-probability, by walking its tree.
inline std::map<Sequence, double> texts_of(const SequenceModel& model, std::size_t length) {
  std::map<Sequence, double> out;
  list_texts(model, length, {}, 0, out);
  return out;
}

/// Of the 27 texts of three tokens that a model of three can begin with: where one stands, and how
/// often each is expected among n.
inline std::size_t place_of(const Sequence& text) {
  const int place = 9 * text[0] + 3 * text[1] + text[2];
  return static_cast<std::size_t>(place);
}
inline std::vector<double> expected_texts(const SequenceModel& model, std::size_t n) {
  std::vector<double> expected(27);
  for (const auto& [text, log_prob] : texts_of(model, 3)) {
    expected[place_of(text)] = static_cast<double>(n) * std::exp(log_prob);
  }
  return expected;
}

}  // namespace partita::app
