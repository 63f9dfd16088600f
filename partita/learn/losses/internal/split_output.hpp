// SPDX-License-Identifier: Apache-2.0
// An output layer of which each rank holds some rows (OutputLayer::columns). Internal to losses/.
#pragma once

#include "partita/learn/losses/internal/sampled_scores.hpp"
#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::losses {

/// The cross-entropy of each row, [B], the same on every rank: the maximum, the sum of exponentials
/// and the target's score are those of all ranks' scores (Shoeybi et al. 2019, "Megatron-LM",
/// section 3). Its gradient in `scores` is that of the rank's own.
/// @param scores of the own outputs, [B, columns.size()]. @param targets int64 [B], of all outputs.
Tensor split_cross_entropy(const Tensor& scores, const Tensor& targets,
                           const SplitColumns& columns);

/// The sum of all ranks' numbers, or the largest, element by element; without gradient.
Tensor over_ranks(const Tensor& own, partita::Reduction reduction, Group& group);

/// x itself, which all ranks have, where each is about to compute some of what follows from it: its
/// gradient is the sum of theirs.
Tensor divided(const Tensor& x, Group& group);

/// As sampled_scores(), the same on every rank; each computes those of its own outputs.
SampledScores split_sampled_scores(const OutputBatch& batch, const OutputLayer& output,
                                   const Tensor& noise);

/// The scores of the targets alone, [B].
Tensor split_target_scores(const OutputBatch& batch, const OutputLayer& output);

}  // namespace partita::losses
