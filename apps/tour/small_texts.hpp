// SPDX-License-Identifier: Apache-2.0
// Small language models for chapter H, and the law of their texts.
#pragma once

#include <cmath>
#include <cstddef>
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

/// Of the 27 texts of three tokens that a model of three can begin with: where one stands, and how
/// often each is expected among n.
inline std::size_t place_of(const Sequence& text) {
  return static_cast<std::size_t>(9 * text[0] + 3 * text[1] + text[2]);
}
inline std::vector<double> expected_texts(const SequenceModel& model, std::size_t n) {
  std::vector<double> expected(27);
  for (Token code = 0; code < 27; ++code) {
    double log_prob = 0;
    Sequence text;
    for (const Token token : {code / 9, code / 3 % 3, code % 3}) {
      std::vector<double> row(3);
      model.next_logits({&text, 1}, nullptr, {row.data(), 1, 3});
      log_softmax(row_of(row), row_to(row));
      log_prob += row[static_cast<std::size_t>(token)];
      text.push_back(token);
    }
    expected[place_of(text)] = static_cast<double>(n) * std::exp(log_prob);
  }
  return expected;
}

}  // namespace partita::app
