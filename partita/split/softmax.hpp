// SPDX-License-Identifier: Apache-2.0
// Log-sum-exp, entropy and cross-entropy of rows whose columns are split over the ranks of a group
// (columns.hpp). Every rank calls them with its own columns and gets the results of the whole rows,
// the same bits for any number of ranks. Two numbers a shard and row travel, in one exchange.
//
//   const auto nll = partita::cross_entropy(own_logits, targets, columns);   // on every rank
//
// `own`: [rows, columns.size()], finite or -inf. A row that holds NaN or +inf is a row error
// (RowOptions), on every rank, and so is one of only -inf.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/softmax/softmax.hpp"
#include "partita/split/columns.hpp"

namespace partita {

/// What makes log-probabilities of each row's logits; {NaN, NaN} for a failed one.
/// @throws InvalidArgument if `own` has another number of columns than columns.size(); so do the
///         others, and the other ranks then wait in vain.
std::vector<Normalizer> normalizers(Rows own, const SplitColumns& columns,
                                    const RowOptions& options = {});

/// log sum_i exp(z_i) of each row; NaN for a failed one.
std::vector<double> log_sum_exp(Rows own, const SplitColumns& columns,
                                const RowOptions& options = {});

/// H of each row's softmax, in nats; NaN for a failed one.
std::vector<double> entropy(Rows own, const SplitColumns& columns, const RowOptions& options = {});

/// -log p of each row's target, a column of the vocabulary; NaN for a failed row.
/// @param targets [rows], the same on every rank
/// @throws InvalidArgument if their number is not that of the rows, or one is no column.
std::vector<double> cross_entropy(Rows own, std::span<const std::int64_t> targets,
                                  const SplitColumns& columns, const RowOptions& options = {});

}  // namespace partita
