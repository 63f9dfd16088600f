// SPDX-License-Identifier: Apache-2.0
// The confidence loss of Lee, Lee, Lee, Shin (2018), "Training confidence-calibrated classifiers
// for detecting out-of-distribution samples" (arXiv 1711.09325), equation 1: be right about the
// examples of known classes, and sure of nothing elsewhere.
//
//   Tensor loss = losses::confidence_loss(classify(x), labels, classify(unknown), /*beta=*/1);
#pragma once

#include "partita/learn/losses/losses.hpp"

namespace partita::losses {

/// KL(U || p) = log-sum-exp(z) - mean(z) - log K, from the uniform distribution U over the K
/// classes to p = softmax(z). It is 0 where all logits are equal, and +inf where one is -inf.
/// Gradient in z, for one row: p - 1/K. (Not KL(p || U) = log K - entropy, whose gradient vanishes
/// where p is sure.)
/// @param logits [..., K], as for cross_entropy.
Tensor kl_from_uniform(const Tensor& logits, Reduction reduction = Reduction::mean);

/// E_in[-log p(y | x)] + beta E_out[KL(U || p(. | x))], both means over rows.
/// @param in_logits [N, K], of examples of known classes. @param labels int64 [N].
/// @param out_logits [M, K], of examples that belong to none of the classes. @param beta >= 0
Tensor confidence_loss(const Tensor& in_logits, const Tensor& labels, const Tensor& out_logits,
                       double beta);

}  // namespace partita::losses
