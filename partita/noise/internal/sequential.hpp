// SPDX-License-Identifier: Apache-2.0
// Internal to partita/noise: sequences drawn side by side, token by token, each token by a rule of
// the caller's.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/search/search.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

/// One row of logits.
inline std::vector<double> doubles_of(Rows logits) {
  std::vector<double> row(logits.columns());
  RowReader<double>(logits, 0).gather(0, 1, row.size(), row.data());
  return row;
}

/// softmax of one row of logits.
inline std::vector<double> probabilities_of(Rows logits) {
  std::vector<double> p(logits.columns());
  softmax(logits, {p.data(), 1, p.size()});
  return p;
}

inline double sum_of(std::span<const double> weights) {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

/// The category at which the cumulative weights, whose sum is > 0, pass a share u of it.
inline Token choose(std::span<const double> weights, double sum, double u) {
  double left = u * sum;
  Token last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = static_cast<Token>(i);
    left -= weights[i];
    if (left < 0) break;
  }
  return last;
}

/// The log-probability of a token by one row of logits.
inline double log_prob_of(Rows logits, Token token) {
  return normalizers(logits).front().log_prob(
      RowReader<double>(logits, 0).at(static_cast<std::size_t>(token)));
}

/// @throws InvalidArgument naming `argument` if two models have other tokens.
inline void check_same_vocabulary(const char* argument, const SequenceModel& model,
                                  const SequenceModel& other) {
  if (other.vocabulary_size() != model.vocabulary_size()) {
    throw InvalidArgument(argument, fmt::format("a vocabulary of {} tokens, expected {}",
                                                other.vocabulary_size(), model.vocabulary_size()));
  }
  if (other.end_token() != model.end_token()) {
    throw InvalidArgument(argument, fmt::format("texts end with token {}, expected {}",
                                                other.end_token(), model.end_token()));
  }
}

/// Draws n sequences after the prompt. Log-probabilities are the (filtered) model's.
/// @param draw Token draw(sample, prefix, logits): the token after a sample's prefix, its prompt
///        included; logits is one row. Calls for different samples may come from different threads.
template <class Draw>
std::vector<Hypothesis> draw_sequences(const SequenceModel& model, const Sequence& prompt,
                                       std::size_t n, const SearchOptions& options,
                                       const Draw& draw) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  std::vector<Hypothesis> out(n);
  for_each_batch(model, options, n, 1, [&](std::size_t first, std::size_t last) {
    Decoder decoder(model, options);
    std::vector<std::size_t> samples(last - first);  // those that go on
    std::iota(samples.begin(), samples.end(), first);
    std::vector<Sequence> prefixes(samples.size(), prompt);
    while (!samples.empty()) {
      const Rows logits = decoder.next(prefixes);
      std::vector<std::size_t> rows;  // that go on
      for (std::size_t row = 0; row < samples.size(); ++row) {
        const std::size_t sample = samples[row];
        Hypothesis& hypothesis = out[sample];
        const Rows after = logits.slice(row, 1);
        const Token token = draw(sample, std::as_const(prefixes[row]), after);
        hypothesis.log_prob += log_prob_of(after, token);
        hypothesis.finished = token == model.end_token();
        if (hypothesis.finished) continue;
        hypothesis.tokens.push_back(token);
        if (hypothesis.tokens.size() == options.max_length) continue;
        prefixes[row].push_back(token);
        samples[rows.size()] = sample;
        if (rows.size() != row) prefixes[rows.size()] = std::move(prefixes[row]);
        rows.push_back(row);
      }
      samples.resize(rows.size());
      prefixes.resize(rows.size());
      if (!samples.empty()) decoder.reorder(rows);
    }
  });
  return out;
}

}  // namespace partita
