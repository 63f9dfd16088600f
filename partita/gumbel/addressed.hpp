// SPDX-License-Identifier: Apache-2.0
// Gumbel-max and Gumbel-top-k with noise that has an address: category i of a row is perturbed by
// AddressedNoise(streams[row]).gumbel(i), a documented function that does not depend on the logits.
//
//   auto a = partita::addressed_gumbel_max(rows, streams);         // arg max of z_i + G_i
//   auto b = partita::addressed_gumbel_max(other_rows, streams);   // of z'_i + G_i: the same noise
//
// The draws have the distribution of gumbel_max() and gumbel_top_k(), whose noise is revealed from
// the top down and so depends on the logits. Here two rows that share an address are coupled: they
// draw the same category with probability at least (1 - TV) / (1 + TV), TV their total variation
// distance (Bavarian et al. 2016; Daliri, Musco, Suresh 2024), where no coupling exceeds 1 - TV,
// and a third party who knows the address can recompute the noise of what was drawn. Watermarks,
// speculative sampling and counterfactuals (partita/noise) stand on that.
//
// All V Gumbels count, but few are computed: see addressed.cpp. A row costs about seven
// times its arg max, a tenth of computing every Gumbel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/gumbel/gumbel_top_k.hpp"

namespace partita {

/// Draws k distinct categories from softmax of every row, in order: those of the k largest
/// z_i + G_i, sums of doubles, in which logits beyond 1e9 leave few digits of the noise. As
/// gumbel_top_k(), errors and options included, except that without log_sum_exp the draws are the
/// same.
TopKSample addressed_gumbel_top_k(Rows logits, std::size_t k, const Streams& streams,
                                  const TopKOptions& options = {});

/// One category from each row's softmax, the arg max of z_i + G_i. [rows]; -1 in a failed row.
std::vector<std::int64_t> addressed_gumbel_max(Rows logits, const Streams& streams,
                                               const RowOptions& options = {});

}  // namespace partita
