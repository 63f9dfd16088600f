// SPDX-License-Identifier: Apache-2.0
#include "partita/text/ngram.hpp"

#include <cmath>

#include "partita/base/internal/check.hpp"
#include "partita/text/internal/ngram_table.hpp"

namespace partita {
namespace {

/// log P(tokens, end).
double log_prob_of(const NgramTable& table, std::span<const Token> tokens) {
  double sum = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    sum += table.log_prob(tokens.first(i), static_cast<std::uint32_t>(tokens[i]));
  }
  return sum + table.log_prob(tokens, table.end);
}

}  // namespace

std::size_t NgramModel::vocabulary_size() const { return table_->vocabulary; }

Token NgramModel::end_token() const { return units_.end_token(); }

int NgramModel::order() const { return static_cast<int>(table_->order); }

void NgramModel::next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                             MutableRows logits) const {
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    table_->log_probs(prefixes[i], {logits.row_data<double>(i), logits.columns()});
  }
}

double NgramModel::log_prob(std::string_view text) const {
  return log_prob_of(*table_, units_.encode(text));
}

double NgramModel::perplexity(std::span<const std::string> lines) const {
  check_at_least("lines", lines.size(), 1);
  double sum = 0;
  std::size_t tokens = 0;
  for (const std::string& line : lines) {
    const Sequence sequence = units_.encode(line);
    sum += log_prob_of(*table_, sequence);
    tokens += sequence.size() + 1;
  }
  return std::exp(-sum / static_cast<double>(tokens));
}

}  // namespace partita
