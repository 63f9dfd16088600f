// SPDX-License-Identifier: Apache-2.0
// Losses of a softmax, a sigmoid and a Gaussian, from logits or a mean:
//
//   Tensor loss = losses::cross_entropy(logits, labels);            // int64 [N] for [N, K] logits
//   Tensor loss = losses::cross_entropy(logits, teacher_probs);     // [N, K]
//   Tensor loss = losses::binary_cross_entropy_with_logits(z, y);   // y in [0, 1]
//   Tensor loss = losses::gaussian_nll(mean, y, 1.0);               // (y - mean)^2 / 2 + ...
//   loss.backward();
//
// Classes lie in the last dimension. A logit of -inf is an impossible class: it adds nothing where
// the target gives it nothing, has gradient 0 there, and costs +inf where the target asks for it.
// Input without a loss (NaN, +inf, no possible class, a target outside its range) throws
// InvalidArgument, naming row and value. at::cross_entropy_loss returns NaN for a soft target on a
// -inf logit, at::binary_cross_entropy_with_logits for an infinite one, and neither checks its
// input. (Name the namespace in calls: a bare binary_cross_entropy_with_logits(z, y) finds at::'s
// too.)
#pragma once

#include <cstdint>

#include "partita/learn/tensor.hpp"

namespace partita::losses {

/// How the losses of the rows (or, without classes, of the elements) are combined.
enum class Reduction : std::uint8_t { none, mean, sum };

/// -sum_k t_k log softmax(logits)_k. Gradient in the logits, for one row: softmax(logits) - t.
/// @param logits [..., K], each < +inf, one in each row > -inf.
/// @param target integers [...], the class of each row in [0, K); or probabilities t, [..., K] of
///        floating-point type, whose gradient is -log softmax(logits).
/// @return the mean over rows; or [...] with Reduction::none.
Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                     Reduction reduction = Reduction::mean);

/// -t log sigmoid(x) - (1 - t) log sigmoid(-x): logistic loss. Gradient in x: sigmoid(x) - t.
/// @param logits any shape, not NaN; may be infinite. @param target the same shape, in [0, 1].
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        Reduction reduction = Reduction::mean);

/// -log N(target; mean, variance) = (target - mean)^2 / (2 variance) + log(2 pi variance) / 2. With
/// a fixed variance, minimizing it is least squares; gradient in the mean: (mean - target) /
/// variance. (Python's gaussian_nll_loss leaves the constant out unless asked.)
/// @param target of the shape of `mean`. @param variance > 0, broadcasts with them.
Tensor gaussian_nll(const Tensor& mean, const Tensor& target, const TensorOrNumber& variance = 1.0,
                    Reduction reduction = Reduction::mean);

/// sum_k (p_k - t_k)^2 with p = softmax(logits): the Brier score as a loss, here for comparison
/// with cross-entropy. Gradient in the logits: 2 p (d - sum_k p_k d_k), d = p - t. It vanishes at
/// confident mistakes (for two classes m apart, as 4 exp(-m)), where that of cross-entropy tends to
/// 1; and the loss is not convex in the logits. Arguments as for cross_entropy.
Tensor softmax_square(const Tensor& logits, const Tensor& target,
                      Reduction reduction = Reduction::mean);

}  // namespace partita::losses
