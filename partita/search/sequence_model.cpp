// SPDX-License-Identifier: Apache-2.0
#include "partita/search/sequence_model.hpp"

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

CallableModel::CallableModel(std::size_t vocabulary_size, Token end_token, Function function)
    : vocabulary_size_(vocabulary_size), end_token_(end_token), function_(std::move(function)) {
  check_at_least("vocabulary_size", vocabulary_size, 1);
  check_between("end_token", end_token, -1, vocabulary_size - 1, "-1: none");
  if (!function_) throw InvalidArgument("function", "expected a function, got none");
}

void CallableModel::next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                                MutableRows logits) const {
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const std::vector<double> row = function_(prefixes[i]);
    check_size("function", row.size(), vocabulary_size_, "logits, one for each token");
    std::copy(row.begin(), row.end(), logits.row_data<double>(i));
  }
}

}  // namespace partita
