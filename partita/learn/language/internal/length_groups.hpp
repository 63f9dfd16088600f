// SPDX-License-Identifier: Apache-2.0
// Prefixes of a search as tensors: those of one length form a matrix. Not installed.
#pragma once

#include <span>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::language {

/// The indices of the prefixes of each length that occurs, shortest first.
std::vector<std::vector<std::size_t>> rows_by_length(std::span<const Sequence> prefixes);

/// int64 [rows, 1 + length]: the start token and each prefix. @param rows of one length.
Tensor tokens_of(std::span<const Sequence> prefixes, std::span<const std::size_t> rows,
                 Token start_token);

/// int64 [rows, 1]: the last token of each.
Tensor last_tokens_of(std::span<const Sequence> prefixes, std::span<const std::size_t> rows);

/// Row i of `from`, [rows, V] on any device, becomes row rows[i] of `logits` (f32).
void write_rows(const Tensor& from, std::span<const std::size_t> rows, MutableRows logits);

}  // namespace partita::language
