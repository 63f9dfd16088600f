// SPDX-License-Identifier: Apache-2.0
// Softmaxes with exact zeros, and the losses that train them. A softmax gives every class some
// probability; these give none to classes whose logits lie far enough below the others:
//
//   Tensor attention = losses::entmax15(scores);              // [..., K], most of them exactly 0
//   Tensor loss = losses::entmax15_loss(logits, labels);      // int64 [N] for [N, K] logits
//   loss.backward();
//
// Both are argmax_p <p, z> + H(p) over the simplex, as the softmax is with Shannon's entropy:
//
//   sparsemax  H(p) = sum_j p_j (1 - p_j) / 2            p_j = max(z_j - tau, 0)
//              Martins, Astudillo 2016, "From softmax to sparsemax" (arXiv 1602.02068)
//   entmax15   H(p) = 4/3 sum_j (p_j - p_j^1.5)          p_j = max(z_j / 2 - tau, 0)^2
//              Peters, Niculae, Martins 2019, "Sparse sequence-to-sequence models" (arXiv
//              1905.05702), alpha = 1.5
//
// with the threshold tau at which p sums to 1, exact in double whatever the type of z. They sort
// only the logits that lie less than 1 (entmax15: 2) below the row's largest, as all others have
// probability 0. Their losses are
//
//   L(z, y) = max_p (<p, z> + H(p)) - z_y >= 0,    with gradient p - e_y in z,
//
// (Blondel, Martins, Niculae 2020, "Learning with Fenchel-Young losses", eq. 13), exactly 0 where
// z_y is larger than all other logits by 1 (entmax15: 2). Second derivatives are right.
//
// Classes lie in the last dimension. A logit of -inf is an impossible class: probability and
// gradient 0, and a loss of +inf where it is the target.
#pragma once

#include "partita/learn/losses/losses.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::losses {

/// The Euclidean projection of each row onto the simplex.
/// @param logits [..., K], floating-point, each < +inf, one in each row > -inf.
/// @return [..., K], of the type of logits. With S the classes of positive probability, the
///         gradient of v . p is, on S, v_j minus the mean of v over S, and 0 elsewhere.
/// @throws InvalidArgument naming row and value.
Tensor sparsemax(const Tensor& logits);

/// The same with fewer zeros: between softmax and sparsemax. With w_j = sqrt(p_j), the gradient of
/// v . p is w_j (v_j - sum_i w_i v_i / sum_i w_i).
Tensor entmax15(const Tensor& logits);

/// The loss whose prediction is sparsemax(logits).
/// @param logits as for sparsemax().
/// @param target integers [...], the class of each row in [0, K), or -100: a row to ignore, whose
///        loss and gradient are 0.
/// @return the mean over rows that are not ignored; their sum; or [...] with Reduction::none.
/// @throws InvalidArgument naming row and value.
Tensor sparsemax_loss(const Tensor& logits, const Tensor& target,
                      Reduction reduction = Reduction::mean);

/// The loss whose prediction is entmax15(logits); arguments as for sparsemax_loss().
Tensor entmax15_loss(const Tensor& logits, const Tensor& target,
                     Reduction reduction = Reduction::mean);

}  // namespace partita::losses
