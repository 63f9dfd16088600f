// SPDX-License-Identifier: Apache-2.0
// A softmax layer without its logits in memory, for libtorch: linear/linear_softmax.hpp as autograd
// functions, multiplied by libtorch.
//
//   losses::OutputLayer output{weight, bias};               // [V, d] and [V], requiring gradients
//   Tensor loss = losses::linear_cross_entropy(hidden, output, targets);
//   loss.backward();                          // as cross_entropy(hidden W^T + b, targets), and as
//                                             // exact, in the memory of hidden and W alone
//
//   auto s = losses::linear_softmax(hidden, output, targets, {.entropy = true});
//   (s.log_prob * advantage + 0.01 * s.entropy).mean().neg().backward();
//
//   TopKSample words = losses::linear_gumbel_top_k(hidden, output, 1, stream);    // to generate
//
// Tensors are float, bfloat16 or half, on the CPU; sums and results are float and better. There are
// no second derivatives.
#pragma once

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita::losses {

struct LinearSoftmaxOptions {
  bool mean_log_prob = false;
  bool entropy = false;
  double soft_cap = 0;  ///< > 0: z becomes cap tanh(z / cap)
  /// In the gradient, rows are left out of tiles of 512 outputs in which all have a probability
  /// below this (2^-12: what bfloat16 does not resolve); 0 is exact. In [0, 1).
  double epsilon = 0;
};

/// Of each row, [N], float; differentiable.
struct LinearSoftmaxTensors {
  Tensor log_prob;  ///< of the target; 0 where that is ignored
  Tensor log_sum_exp;
  Tensor mean_log_prob;  ///< sum_j log p_j / V, if asked for
  Tensor entropy;        ///< nats, if asked for
};

/// @param hidden  [N, d], of the type of the layer
/// @param output  without tails
/// @param targets integers [N], in [0, V) or -100: ignored
/// @throws InvalidArgument naming what does not fit, or the row whose logits hold NaN or +inf.
LinearSoftmaxTensors linear_softmax(const Tensor& hidden, const OutputLayer& output,
                                    const Tensor& targets,
                                    const LinearSoftmaxOptions& options = {});

struct LinearCrossEntropyOptions {
  /// s: the loss of a row is (1 - s) (-log p_y) + s (-sum_j log p_j / V) (Szegedy et al. 2016,
  /// section 7; torch's label_smoothing). In [0, 1]. With it, epsilon leaves nothing out.
  double label_smoothing = 0;
  double z_loss = 0;        ///< >= 0, times (log Z)^2 (Chowdhery et al. 2022, PaLM, section 5)
  Tensor row_weights = {};  ///< [N], or undefined: 1 each
  double soft_cap = 0;      ///< as in LinearSoftmaxOptions
  double epsilon = 0;       ///< as in LinearSoftmaxOptions
  Reduction reduction = Reduction::mean;
};

/// The cross-entropy of each row's target, [N], or their sum or mean; of rows that are not ignored
/// (target -100), weighted, the mean being divided by the sum of weights, as torch's.
/// @throws InvalidArgument as linear_softmax().
Tensor linear_cross_entropy(const Tensor& hidden, const OutputLayer& output, const Tensor& targets,
                            const LinearCrossEntropyOptions& options = {});

/// k distinct outputs of each row, [N, k], in one pass over the layer; see gumbel_top_k(). Row r
/// draws from the r-th of the streams. No gradients.
TopKSample linear_gumbel_top_k(const Tensor& hidden, const OutputLayer& output, std::size_t k,
                               const Streams& streams, double soft_cap = 0);

}  // namespace partita::losses
