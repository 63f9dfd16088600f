// SPDX-License-Identifier: Apache-2.0
// Policy optimization on samples that an earlier policy, or another engine, has drawn: advantages
// within a group of answers to one prompt, ratios of the policies, and how far the policy has gone
// from a reference (RLOO, GRPO, PPO).
//
//   // rewards [prompts, n], log-probabilities of whole answers [prompts, n]
//   Tensor advantage = group_advantages(rewards);
//   Tensor objective = clipped_ratio_objective(log_prob, drawn_log_prob, advantage);
//   auto kl = reverse_kl(log_prob, reference_log_prob);
//   (0.05 * kl.surrogate - objective).mean().backward();         // kl.value is to be logged
//
// All take tensors of one shape (ratios of tokens, or of the sums over an answer's tokens) and
// return it, without mean or mask.
#pragma once

#include <cstdint>

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

enum class GroupBaseline : std::uint8_t {
  /// r_i less the mean of the others: unbiased (Kool, van Hoof, Welling 2019; RLOO: Ahmadian et al.
  /// 2024).
  leave_one_out,
  /// (r_i - mean) / standard deviation, the n-1 one; 0 where all are equal (GRPO: Shao et al.
  /// 2024). Not the gradient of the mean reward: it weighs groups by how even their rewards are.
  standardized,
};

/// @param rewards [..., n], the n answers to one prompt last, n >= 2
/// @return [..., n], without gradient
/// @throws InvalidArgument if n < 2
Tensor group_advantages(const Tensor& rewards,
                        GroupBaseline baseline = GroupBaseline::leave_one_out);

struct ClippedRatioOptions {
  double low = 0.2;  ///< the ratio counts down to 1 - low, in (0, 1)
  double high =
      0.2;  ///< and up to 1 + high, > 0; above `low`: "clip higher" (DAPO, Yu et al. 2025)
};

/// min(r A, clip(r, 1 - low, 1 + high) A), r = exp(log_prob - drawn_log_prob), to be raised
/// (Schulman et al. 2017, eq. 7). At equal policies its gradient is A grad log_prob.
/// @throws InvalidArgument if the shapes differ or an option is out of its range
Tensor clipped_ratio_objective(const Tensor& log_prob, const Tensor& drawn_log_prob,
                               const Tensor& advantage, const ClippedRatioOptions& options = {});

/// min(exp(log_prob - drawn_log_prob), most): weights of samples that another engine or an older
/// policy has drawn (truncated importance sampling: Ionides 2008), without gradient. The bias is
/// what lies above `most`.
/// @throws InvalidArgument if the shapes differ or most <= 0
Tensor truncated_ratios(const Tensor& log_prob, const Tensor& drawn_log_prob, double most = 2);

enum class KlValue : std::uint8_t {
  k1,  ///< log r: unbiased
  k2,  ///< (log r)^2 / 2: biased, never negative
  k3,  ///< 1/r - 1 + log r: unbiased, never negative, mostly of less variance than k1
};

/// Estimates of KL(policy || reference) from samples of the policy, r = policy / reference
/// (Schulman 2020, "Approximating KL divergence"). The surrogate's gradient, log r grad log_prob,
/// is that of the divergence in expectation, which none of the values' own gradients is but k2's:
/// k1's has mean 0, k3's is that of KL(reference || policy) (Tang and Munos 2025, arXiv
/// 2506.09477).
/// @param log_prob of whole samples that the policy itself has drawn, with its gradient. Those of
///        an answer's tokens are to be summed first: one by one, they leave out that a token
///        changes the divergence of all that follow it (the same, on sequences).
/// @throws InvalidArgument if the shapes differ
GradientEstimate reverse_kl(const Tensor& log_prob, const Tensor& reference_log_prob,
                            KlValue value = KlValue::k3);

}  // namespace partita::estimators
