// SPDX-License-Identifier: Apache-2.0
// What an action is worth before the sequence is complete: Monte-Carlo roll-outs, and the policy
// gradient with them. Yu, Zhang, Wang, Yu (2017), "SeqGAN: sequence generative adversarial nets
// with policy gradient" (arXiv 1609.05473), equations 2 to 8.
//
//   seqgan::Reward reward = [&](const Tensor& y) { return discriminator.probability(y); };
//   Tensor q = seqgan::action_values(policy, y, reward, 16, {.seed = 1});   // [B, T]
//
//   auto [surrogate, value] = seqgan::rollout_policy_gradient(
//       generator, policy, reward, {.batch = 64, .length = 20, .rollouts = 16}, {.seed = 1});
//   (-surrogate).backward();
#pragma once

#include <cstdint>
#include <functional>

#include "partita/learn/estimators/estimator.hpp"
#include "partita/learn/seqgan/policy.hpp"

namespace partita::seqgan {

/// The reward of whole sequences: [R, T, ...] to [R], each row's from that row alone.
using Reward = std::function<Tensor(const Tensor& sequences)>;

/// Completions by `policy` of every proper prefix of every sequence: [T - 1, B, rollouts, T, ...].
/// Entry [t - 1, b, n] holds the first t elements of sequence b, followed by what was drawn. All
/// are drawn in one batch, which the roll-outs of a prefix join as the shorter ones reach its
/// length, so that each prefix is read once. A completion is a function of its prefix, of the
/// stream and of b, t and n, given T and the number of roll-outs.
/// @param sequences [B, T, ...], T >= 2.
/// @param first b of the first of them: that of a share of a batch.
Tensor roll_out(const SequencePolicy& policy, const Tensor& sequences, std::int64_t rollouts,
                const Stream& stream, std::int64_t first = 0);

/// Q(y_1 ... y_(t-1), y_t): the mean reward of the roll-outs that begin with y_1 ... y_t, and at T
/// the reward of the sequence itself (equation 4). Unbiased for the expected reward if `policy`
/// continues, whatever their number.
/// @return [B, T], without gradient.
/// @throws InvalidArgument unless rollouts >= 1.
Tensor action_values(const SequencePolicy& policy, const Tensor& sequences, const Reward& reward,
                     std::int64_t rollouts, const Stream& stream, std::int64_t first = 0);

struct RolloutOptions {
  std::int64_t batch = 64;     ///< sequences, >= 2
  std::int64_t length = 20;    ///< elements per sequence
  std::int64_t rollouts = 16;  ///< completions per prefix
  bool baseline = true;        ///< whether b_t below is subtracted; else 0
  Group* group =
      &Group::alone();  ///< each rank draws its share, and gets its share of the estimate
};

/// Draws a batch of sequences from the generator and estimates the gradient of its expected reward
/// (equation 6): the mean over sequences of sum_t (Q_t - b_t) grad log p(y_t | y_1 ... y_(t-1)),
/// where b_t is the mean Q_t of the other sequences. b_t does not depend on the sequence for which
/// it is subtracted, so the estimate is unbiased if `policy` is the generator itself; for another
/// (delayed) policy its Q stands in for the generator's.
estimators::GradientEstimate rollout_policy_gradient(const SequencePolicy& generator,
                                                     const SequencePolicy& policy,
                                                     const Reward& reward,
                                                     const RolloutOptions& options,
                                                     const Stream& stream);

}  // namespace partita::seqgan
