#include "partita/search/ngram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "partita/base/error.hpp"
#include "partita/io/text.hpp"
#include "partita/search/ngram_table.hpp"

namespace partita {
namespace {

std::optional<Token> find_token(const NgramTable& table, char32_t code_point) {
  const auto found = std::lower_bound(table.alphabet.begin(), table.alphabet.end(), code_point);
  if (found == table.alphabet.end() || *found != code_point) return std::nullopt;
  return static_cast<Token>(found - table.alphabet.begin());
}

/// log P(tokens, end).
double log_prob_of(const NgramTable& table, std::span<const Token> tokens) {
  std::vector<double> row(table.vocabulary());
  double sum = 0;
  for (std::size_t i = 0; i <= tokens.size(); ++i) {
    table.log_probs(tokens.first(i), row);
    sum += row[i < tokens.size() ? static_cast<std::size_t>(tokens[i]) : table.end()];
  }
  return sum;
}

}  // namespace

std::size_t NgramModel::vocabulary_size() const { return table_->vocabulary(); }

Token NgramModel::end_token() const { return static_cast<Token>(table_->end()); }

int NgramModel::order() const { return static_cast<int>(table_->order); }

void NgramModel::next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                             MutableRows logits) const {
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    table_->log_probs(prefixes[i], {logits.row_data<double>(i), logits.columns()});
  }
}

Sequence NgramModel::encode(std::string_view text) const {
  Sequence tokens;
  for (const char32_t code_point : decode_utf8(text)) {
    const std::optional<Token> token = find_token(*table_, code_point);
    if (!token) {
      throw InvalidArgument(
          "text",
          fmt::format("the model has never seen the character '{}' (U+{:04X})",
                      encode_utf8({&code_point, 1}), static_cast<std::uint32_t>(code_point)));
    }
    tokens.push_back(*token);
  }
  return tokens;
}

std::string NgramModel::decode(std::span<const Token> tokens) const {
  std::u32string text;
  for (const Token token : tokens) {
    if (token < 0 || token >= end_token()) {
      throw InvalidArgument(
          "tokens", fmt::format("{} is no character, expected 0..{}", token, end_token() - 1));
    }
    text += static_cast<char32_t>(table_->alphabet[static_cast<std::size_t>(token)]);
  }
  return encode_utf8(text);
}

double NgramModel::log_prob(std::string_view text) const {
  Sequence tokens;
  for (const char32_t code_point : decode_utf8(text)) {
    const std::optional<Token> token = find_token(*table_, code_point);
    if (!token) return -std::numeric_limits<double>::infinity();
    tokens.push_back(*token);
  }
  return log_prob_of(*table_, tokens);
}

double NgramModel::perplexity(std::span<const std::string> lines) const {
  if (lines.empty()) throw InvalidArgument("lines", "expected one or more, got none");
  double sum = 0;
  std::size_t tokens = 0;
  for (const std::string& line : lines) {
    sum += log_prob(line);
    tokens += decode_utf8(line).size() + 1;
  }
  return std::exp(-sum / static_cast<double>(tokens));
}

}  // namespace partita
