// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/internal/length_groups.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <utility>

namespace partita::language {

std::vector<std::vector<std::size_t>> rows_by_length(std::span<const Sequence> prefixes) {
  std::map<std::size_t, std::vector<std::size_t>> of_length;
  for (std::size_t i = 0; i < prefixes.size(); ++i) of_length[prefixes[i].size()].push_back(i);
  std::vector<std::vector<std::size_t>> groups;
  for (auto& [length, rows] : of_length) groups.push_back(std::move(rows));
  return groups;
}

Tensor tokens_of(std::span<const Sequence> prefixes, std::span<const std::size_t> rows,
                 Token start_token) {
  const std::size_t length = prefixes[rows.front()].size();
  const Tensor tokens = at::empty(
      {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(length + 1)}, at::kLong);
  auto* out = tokens.data_ptr<std::int64_t>();
  for (const std::size_t row : rows) {
    *out++ = start_token;
    out = std::copy(prefixes[row].begin(), prefixes[row].end(), out);
  }
  return tokens;
}

Tensor last_tokens_of(std::span<const Sequence> prefixes, std::span<const std::size_t> rows) {
  const Tensor tokens = at::empty({static_cast<std::int64_t>(rows.size()), 1}, at::kLong);
  auto* out = tokens.data_ptr<std::int64_t>();
  for (const std::size_t row : rows) *out++ = prefixes[row].back();
  return tokens;
}

void write_rows(const Tensor& from, std::span<const std::size_t> rows, MutableRows logits) {
  const Tensor values = from.to(at::kCPU, at::kFloat).contiguous();
  const auto* row = values.data_ptr<float>();
  for (const std::size_t to : rows) {
    std::copy_n(row, logits.columns(), logits.row_data<float>(to));
    row += logits.columns();
  }
}

}  // namespace partita::language
