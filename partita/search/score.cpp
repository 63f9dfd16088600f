// SPDX-License-Identifier: Apache-2.0
#include "partita/search/score.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

template <class T>
TokenScore score(std::span<const T> logits, const Normalizer& normalizer, Token token) {
  const auto best = std::max_element(logits.begin(), logits.end());
  const auto logit = static_cast<double>(logits[static_cast<std::size_t>(token)]);
  return {.log_prob = normalizer.log_prob(logit),
          .confidence = std::exp(-normalizer.log_sum),
          .correct = best - logits.begin() == token};
}

TokenScore score(Rows logits, std::size_t row, Token token) {
  const Normalizer normalizer = normalizers(logits.slice(row, 1)).front();
  const std::size_t n = logits.columns();
  return logits.dtype() == DType::f32
             ? score(std::span(logits.row_data<float>(row), n), normalizer, token)
             : score(std::span(logits.row_data<double>(row), n), normalizer, token);
}

/// Scores the sequences of a batch, one token of each at a time.
/// @param which of the sequences
void score_batch(const SequenceModel& model, const SearchOptions& options, const SeeLogits& see,
                 std::span<const Sequence> sequences, std::span<const std::size_t> which,
                 std::span<std::vector<TokenScore>> out) {
  const Token end = model.end_token();
  const auto targets = [&](std::size_t i) { return sequences[i].size() + (end >= 0 ? 1 : 0); };
  std::vector<std::size_t> active;  // sequences that have tokens left, in the model's rows
  for (const std::size_t i : which) {
    if (targets(i) > 0) active.push_back(i);
  }
  std::vector<Sequence> prefixes(active.size());
  Decoder decoder(model, options);
  for (std::size_t t = 0; !active.empty(); ++t) {
    const Rows logits = decoder.next(prefixes);
    std::vector<std::size_t> still;
    std::vector<std::size_t> rows;
    for (std::size_t row = 0; row < active.size(); ++row) {
      const std::size_t i = active[row];
      const Token token = t < sequences[i].size() ? sequences[i][t] : end;
      out[i].push_back(score(logits, row, token));
      if (see) see(i, t, logits.slice(row, 1));
      if (t + 1 == targets(i)) continue;
      prefixes[still.size()] = {sequences[i].begin(),
                                sequences[i].begin() + static_cast<std::ptrdiff_t>(t + 1)};
      still.push_back(i);
      rows.push_back(row);
    }
    prefixes.resize(still.size());
    active = std::move(still);
    if (!active.empty()) decoder.reorder(rows);
  }
}

}  // namespace

std::vector<std::vector<TokenScore>> score_sequences(const SequenceModel& model,
                                                     std::span<const Sequence> sequences,
                                                     const SearchOptions& options,
                                                     const SeeLogits& see) {
  check_search(model, options);
  check_unsteered(options.filter);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    for (const Token token : sequences[i]) {
      if (token < 0 || token >= static_cast<std::int64_t>(model.vocabulary_size()) ||
          token == model.end_token()) {
        throw InvalidArgument(
            "sequences", fmt::format("sequence {}: {} is the end token, or not in 0..{}", i, token,
                                     model.vocabulary_size() - 1));
      }
    }
  }
  // Sequences of similar length go together, so that a batch is full to its end.
  std::vector<std::size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sequences[a].size() > sequences[b].size();
  });
  std::vector<std::vector<TokenScore>> scores(sequences.size());
  for_each_batch(model, options, sequences.size(), 1, [&](std::size_t first, std::size_t last) {
    score_batch(model, options, see, sequences, std::span(order).subspan(first, last - first),
                scores);
  });
  return scores;
}

}  // namespace partita
