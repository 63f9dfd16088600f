#include "partita/search/sequence_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {

CallableModel::CallableModel(std::size_t vocabulary_size, Token end_token, Function function)
    : vocabulary_size_(vocabulary_size), end_token_(end_token), function_(std::move(function)) {
  if (vocabulary_size == 0) throw InvalidArgument("vocabulary_size", "expected 1 or more, got 0");
  if (end_token < -1 || end_token >= static_cast<std::int64_t>(vocabulary_size)) {
    throw InvalidArgument("end_token", fmt::format("expected -1 (none) or 0..{}, got {}",
                                                   vocabulary_size - 1, end_token));
  }
  if (!function_) throw InvalidArgument("function", "expected a function, got none");
}

void CallableModel::next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                                MutableRows logits) const {
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const std::vector<double> row = function_(prefixes[i]);
    if (row.size() != vocabulary_size_) {
      throw InvalidArgument("function", fmt::format("expected {} logits (the vocabulary), got {}",
                                                    vocabulary_size_, row.size()));
    }
    std::copy(row.begin(), row.end(), logits.row_data<double>(i));
  }
}

}  // namespace partita
