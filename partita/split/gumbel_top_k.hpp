// SPDX-License-Identifier: Apache-2.0
// k distinct categories of a softmax whose columns are split over the ranks of a group
// (columns.hpp), exactly, on every rank.
//
//   const auto drawn = partita::gumbel_top_k(own_logits, 10, stream, columns);
//
// Each shard reveals its largest perturbed log-probabilities, from its own stream; moved by the
// shard's share of the row, they are those of the row (the maximum of a set of Gumbels is the
// Gumbel of their sum, so it does not matter who draws them). A rank sends the k largest of its
// shards and the value of the next: O(k) numbers a row, in one exchange, whatever the vocabulary.
#pragma once

#include <cstdint>
#include <vector>

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/split/columns.hpp"

namespace partita {

/// As gumbel_top_k() of the whole rows, and its distribution, but not its draws: these are a
/// function of the logits, the streams and the number of shards. Indices are the vocabulary's.
/// @param own     [rows, columns.size()], finite or -inf
/// @param k       1 ... columns.columns()
/// @param streams the same on every rank
/// @throws InvalidArgument if k is out of range or `own` has another number of columns; rows that
///         cannot be drawn from are row errors, on every rank.
TopKSample gumbel_top_k(Rows own, std::size_t k, const Streams& streams,
                        const SplitColumns& columns, const RowOptions& options = {});

/// One category from each row's softmax: [rows]; -1 in a failed row.
std::vector<std::int64_t> gumbel_max(Rows own, const Streams& streams, const SplitColumns& columns,
                                     const RowOptions& options = {});

}  // namespace partita
