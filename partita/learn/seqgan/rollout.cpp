// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/rollout.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/estimators/policy_gradient.hpp"

namespace partita::seqgan {
namespace {

using State = SequencePolicy::State;

/// Streams of the roll-outs of the prefixes of 1 ... t elements, in the order [t, B, rollouts].
std::vector<Stream> rollout_streams(const Stream& stream, std::int64_t t, std::int64_t length,
                                    std::int64_t first, std::int64_t batch, std::int64_t rollouts) {
  const Stream elements = stream.child(static_cast<std::uint64_t>(t));
  std::vector<Stream> streams;
  streams.reserve(static_cast<std::size_t>(t * batch * rollouts));
  for (std::int64_t prefix = 0; prefix < t; ++prefix) {
    for (std::int64_t b = first; b < first + batch; ++b) {
      for (std::int64_t n = 0; n < rollouts; ++n) {
        const std::int64_t row = (b * length + prefix) * rollouts + n;
        streams.push_back(elements.child(static_cast<std::uint64_t>(row)));
      }
    }
  }
  return streams;
}

}  // namespace

Tensor roll_out(const SequencePolicy& policy, const Tensor& sequences, std::int64_t rollouts,
                const Stream& stream, std::int64_t first) {
  check_at_least("rollouts", rollouts, 1);
  if (sequences.dim() < 2 || sequences.size(1) < 2) {
    throw InvalidArgument("sequences", fmt::format("expected [B, T, ...] with T >= 2, got {}",
                                                   to_string(sequences.sizes())));
  }
  const at::NoGradGuard no_grad;
  const std::int64_t batch = sequences.size(0);
  const std::int64_t length = sequences.size(1);
  const IntArrayRef element = sequences.sizes().slice(2);
  Tensor completed = sequences.unsqueeze(0)
                         .unsqueeze(2)
                         .expand(concatenate({length - 1, batch, rollouts, length}, element))
                         .clone(at::MemoryFormat::Contiguous);
  State prefix = policy.start(batch);
  State rolling;
  for (std::int64_t t = 1; t < length; ++t) {
    policy.read(sequences.select(1, t - 1), prefix);
    for (std::size_t i = 0; i < prefix.size(); ++i) {
      const Tensor joining = prefix[i].repeat_interleave(rollouts, 0);
      if (t == 1) {
        rolling.push_back(joining);
      } else {
        rolling[i] = at::cat({rolling[i], joining});
      }
    }
    const Tensor drawn =
        policy.draw(rolling, rollout_streams(stream, t, length, first, batch, rollouts));
    completed.narrow(0, 0, t).select(3, t).copy_(
        drawn.view(concatenate({t, batch, rollouts}, element)));
    if (t + 1 < length) policy.read(drawn, rolling);
  }
  return completed;
}

Tensor action_values(const SequencePolicy& policy, const Tensor& sequences, const Reward& reward,
                     std::int64_t rollouts, const Stream& stream, std::int64_t first) {
  const at::NoGradGuard no_grad;
  const Tensor completed = roll_out(policy, sequences, rollouts, stream, first);
  const Tensor before = reward(completed.flatten(0, 2))
                            .view({completed.size(0), completed.size(1), rollouts})
                            .mean(-1);
  return at::cat({before, reward(sequences).unsqueeze(0)}).t();
}

estimators::GradientEstimate rollout_policy_gradient(const SequencePolicy& generator,
                                                     const SequencePolicy& policy,
                                                     const Reward& reward,
                                                     const RolloutOptions& options,
                                                     const Stream& stream) {
  enum Draw : std::uint64_t { kSequences, kRollouts };
  const Share share = Share::of(options.batch, *options.group);
  const Tensor sequences = sample(generator, share, options.length, stream.child(kSequences));
  const Tensor own = action_values(policy, sequences, reward, options.rollouts,
                                   stream.child(kRollouts), share.first);
  // A sequence's baseline is made of all the others'.
  const Tensor q = all_rows(own, share, *options.group).t();
  // Rewards whose sum from t on is Q_t.
  const Tensor rewards =
      q - at::cat({q.narrow(0, 1, q.size(0) - 1), at::zeros_like(q[0]).unsqueeze(0)});
  // Other ranks' sequences are without gradient here.
  const Tensor log_prob = at::constant_pad_nd(
      generator.log_prob(sequences).t(), {share.first, share.total - share.first - share.size});
  estimators::PolicyGradientOptions estimator;
  if (options.baseline) estimator.baseline = estimators::baselines::LeaveOneOut{};
  estimators::PolicyGradient policy_gradient(estimator);
  estimators::GradientEstimate estimate = policy_gradient(log_prob, rewards);
  estimate.value = share.weight() * estimate.value;
  return estimate;
}

}  // namespace partita::seqgan
