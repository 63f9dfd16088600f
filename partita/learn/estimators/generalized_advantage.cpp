// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/generalized_advantage.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::estimators {

Tensor generalized_advantages(const Transitions& transitions,
                              const GeneralizedAdvantageOptions& options) {
  const Tensor& rewards = transitions.rewards;
  const Tensor& values = transitions.values;
  check_in("discount", options.discount, "[0, 1]");
  check_in("lambda", options.lambda, "[0, 1]");
  if (rewards.dim() != 2 || rewards.size(0) == 0) {
    throw InvalidArgument("rewards",
                          fmt::format("expected [T, N], got {}", to_string(rewards.sizes())));
  }
  const auto check_alike = [&](const char* name, const Tensor& tensor) {
    if (tensor.sizes() == rewards.sizes()) return;
    throw InvalidArgument(name, fmt::format("expected {} as rewards, got {}",
                                            to_string(rewards.sizes()), to_string(tensor.sizes())));
  };
  check_alike("values", values);
  check_alike("next_values", transitions.next_values);
  check_alike("last", transitions.last);

  const at::NoGradGuard no_grad;
  const Tensor delta = rewards + options.discount * transitions.next_values - values;
  const Tensor carried =
      options.discount * options.lambda * transitions.last.logical_not().to(delta.dtype());
  std::vector<Tensor> advantages(static_cast<std::size_t>(delta.size(0)));
  Tensor following = at::zeros_like(delta[0]);
  for (std::int64_t t = delta.size(0); t-- > 0;) {
    following = delta[t] + carried[t] * following;
    advantages[static_cast<std::size_t>(t)] = following;
  }
  return at::stack(advantages);
}

}  // namespace partita::estimators
