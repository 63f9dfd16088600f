// SPDX-License-Identifier: Apache-2.0
// Adaptive softmax: the exact softmax of a large output layer, for a fraction of the work (Grave,
// Joulin, Cisse, Grangier, Jegou 2017, "Efficient softmax approximation for GPUs").
//
//   losses::OutputLayer output =                       // 50,000 words, frequent ones first
//       losses::adaptive_layer(50000, 512, {2500, 10000}, Stream{.seed = 1});
//   Tensor loss = losses::AdaptiveSoftmaxLoss()({hidden, targets}, output, Stream{});
//   losses::evaluate({hidden, targets}, output).perplexity();
//   Tensor log_p = losses::adaptive_log_probs(hidden, output);       // [B, 50000]
//
// Outputs below the first cutoff, c, are in the head, which is a softmax over them and the tails;
// the outputs from one cutoff to the next share a tail, a softmax of its own behind a projection to
// fewer dimensions:
//
//   p(w) = head(w)                      for w < c
//   p(w) = head(tail i) tail_i(w)       for w in tail i
//
// Most targets are in the head, so that a step costs little more than a softmax over c outputs. The
// model is that of torch.nn.AdaptiveLogSoftmaxWithLoss.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/learn/losses/output_loss.hpp"

namespace partita::losses {

/// Cutoffs at a twentieth and a fifth of V outputs; fewer or smaller ones where V is small.
/// @throws InvalidArgument if outputs < 2
std::vector<std::int64_t> default_cutoffs(std::int64_t outputs);

/// An untrained layer over `outputs` sorted by falling frequency, with weights uniform in +-1 /
/// sqrt(their inputs) and a bias of 0.
/// @param cutoffs where the tails begin: ascending, above 0 and below `outputs`. Tail i has d / 4^i
///                dimensions, i from 1.
/// @throws InvalidArgument if they are not.
OutputLayer adaptive_layer(std::int64_t outputs, std::int64_t dim,
                           std::span<const std::int64_t> cutoffs, const Random& random);

/// -log p(target), exactly: maximum likelihood. Draws nothing.
class AdaptiveSoftmaxLoss : public OutputLoss {
  Form form() const override { return Form::tails; }
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;
};

/// log p(target) of each row, [B]. A tail is computed only for the rows whose target it holds.
/// @param output with tails.
Tensor adaptive_log_likelihood(const OutputBatch& batch, const OutputLayer& output);

/// log p of all outputs: [..., d] -> [..., V], in which the probabilities of a row sum to 1.
/// @param output with tails.
Tensor adaptive_log_probs(const Tensor& hidden, const OutputLayer& output);

}  // namespace partita::losses
