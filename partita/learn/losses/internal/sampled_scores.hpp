// SPDX-License-Identifier: Apache-2.0
// The scores of a batch's targets and noise, with gradients that touch no other row of the output
// layer. Internal to losses/.
#pragma once

#include <cstdint>

#include "partita/learn/losses/noise_distribution.hpp"
#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::losses {

struct SampledScores {
  Tensor target;  ///< [B]
  Tensor noise;   ///< [B, k]
};

/// hidden . weight[w] + bias[w] for each row's target and noise. The gradients in weight and bias
/// are sparse tensors; second derivatives (create_graph) make them dense.
/// @param noise int64 [k], shared by all rows, or [B, k].
SampledScores sampled_scores(const OutputBatch& batch, const OutputLayer& output,
                             const Tensor& noise);

/// The same for any rows of the layer, [B, K]. @param index int64 [B, K]
Tensor indexed_scores(const Tensor& hidden, const OutputLayer& output, const Tensor& index);

/// Noise for a batch, on its device: int64 [k] if shared, else [B, k].
/// @throws InvalidArgument if the noise is not over the output layer's V categories.
Tensor draw_noise(const NoiseDistribution& noise, std::int64_t k, bool shared,
                  const OutputBatch& batch, const OutputLayer& output, const Random& random);

/// Noise for a batch, and the scores less log(k q) of targets and of noise, which NCE compares with
/// 0 and sampled softmax with each other.
struct CorrectedScores {
  Tensor drawn;   ///< int64 [k] if shared, else [B, k]
  Tensor target;  ///< [B]
  Tensor noise;   ///< [B, k]
};

/// @throws InvalidArgument as draw_noise, and naming a row whose target has q = 0.
CorrectedScores corrected_scores(const NoiseDistribution& noise, std::int64_t k, bool shared,
                                 const OutputBatch& batch, const OutputLayer& output,
                                 const Random& random);

/// Which draws of noise equal the target of their row, bool [B, k].
Tensor accidental_hits(const Tensor& targets, const Tensor& noise);

/// @throws InvalidArgument unless `index` is integers [rows] in [0, range).
void check_indices(const char* argument, const Tensor& index, std::int64_t rows,
                   std::int64_t range);

/// table[index], where the gradient in table is a sparse tensor. @param table [n] or [n, d].
Tensor sparse_rows(const Tensor& table, const Tensor& index);

}  // namespace partita::losses
