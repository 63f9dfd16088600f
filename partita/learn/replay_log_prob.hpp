// SPDX-License-Identifier: Apache-2.0
// The log-probability of tokens that partita::sample() drew, as a function of the logits that can
// be differentiated: the policy of a reinforcement-learning step is what the server's filters left
// of the model, not the model itself.
//
//   const SamplerSettings settings{.temperature = 0.8, .top_k = 50, .top_p = 0.95};
//   const std::vector<std::int64_t> tokens = sample(rows_of(old_logits), settings, stream);
//   const Tensor old_log_prob = replay_log_prob(old_logits, tokens, settings, stream).detach();
//
//   const Tensor ratio = (replay_log_prob(logits, tokens, settings, stream) - old_log_prob).exp();
//   (-(ratio * advantage).mean()).backward();  // the ratio is exactly 1 where logits are the same
#pragma once

#include <cstdint>
#include <span>

#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/sample.hpp"

namespace partita {

/// The values of replay_log_prob() of sampler/sample.hpp, to the bit, [N] doubles on the CPU:
///
///   log p = s_t z_t + b_t - log sum over kept i of exp(s_i z_i + b_i),
///
/// s_i being 1 / temperature times what repeat_penalty makes of it, b_i the other edits. Gradients
/// go to the logits z of what is kept, with what is kept held fixed: it changes only where the
/// probability jumps, so that a token that is not kept has -inf and no gradient.
/// @param logits [N, V], floating point
/// @throws InvalidArgument as the other, for the first bad row; and for dynatemp_range and
///         adaptive_target, which make the temperature or the logits depend on all others.
Tensor replay_log_prob(const Tensor& logits, std::span<const std::int64_t> tokens,
                       const RowSettings& settings, const Streams& streams);

}  // namespace partita
