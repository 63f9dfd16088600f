// SPDX-License-Identifier: Apache-2.0
// Which k of V are the largest, with a gradient, and the loss that learns it from sets:
//
//   Tensor sets = losses::perturbed_top_k(logits, 10, random);      // [..., V], rows sum to 10
//   Tensor loss = losses::perturbed_top_k_loss(logits, chosen, 10, random);
//   loss.backward();                                                // chosen: ten 1s in each row
//
// The k largest are a step function of the logits, whose gradient is 0. Their mean under noise,
//
//   y(theta) = E[top_k(theta + epsilon G)],    G standard Gumbel noise,
//
// is smooth, and so is the largest value F(theta) = E[max_y <theta + epsilon G, y>], whose gradient
// it is (Berthet et al. 2020, "Learning with differentiable perturbed optimizers", arXiv
// 2002.08676, proposition 3.1). With this noise y is how often PlackettLuce(logits / epsilon) has
// each category among its first k places: for k = 1 the softmax.
#pragma once

#include "partita/learn/losses/losses.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::losses {

struct PerturbationOptions {
  std::int64_t samples = 100;  ///< >= 2 draws of the noise, of which y is the mean
  double epsilon = 1;          ///< > 0, the size of the noise: less is nearer the k largest
};

/// y(logits) by samples; unbiased, and so are its derivatives of any order.
///
/// Berthet et al. weight each draw y_m by the score of its noise, (1 - exp(-G)) / epsilon. Much of
/// it says nothing of y_m: here it is replaced by its mean given the order of the draw's k largest,
/// which is the score of that ranking, d log PlackettLuce(logits / epsilon, k)(ranking). The
/// Jacobian is sum_m (y_m - mean y) score_m^T / (samples - 1).
/// @param logits [..., V], floating-point, each < +inf, k in each row > -inf. Those of -inf are
///        never chosen, and have gradient 0.
/// @param k 1 to V
/// @return [..., V] in [0, 1], rows summing to k. A row depends on its own numbers alone, whatever
///         rows follow it. Takes the memory of samples times the logits.
/// @throws InvalidArgument naming row and value, or an option out of its range
Tensor perturbed_top_k(const Tensor& logits, std::int64_t k, const Random& random,
                       const PerturbationOptions& options = {});

/// The loss whose prediction is perturbed_top_k(logits): F(logits) - <logits, target>, the
/// Fenchel-Young loss of the noise (Berthet et al. 2020, section 4) less a constant of the target.
/// Convex and 0 or more in expectation, with the gradient y(logits) - target. The noise has the
/// mean 0 here, so that for k = 1 it is epsilon times cross_entropy(logits / epsilon, target).
/// @param logits, k as for perturbed_top_k()
/// @param target [..., V], without a gradient: sets of k as 1s and 0s, or means of some; in [0, 1],
///        rows summing to k
/// @return the mean over rows, their sum, or [...] with Reduction::none; +inf where the target has
///         an impossible category
/// @throws InvalidArgument naming row and value, or an option out of its range
Tensor perturbed_top_k_loss(const Tensor& logits, const Tensor& target, std::int64_t k,
                            const Random& random, const PerturbationOptions& options = {},
                            Reduction reduction = Reduction::mean);

}  // namespace partita::losses
