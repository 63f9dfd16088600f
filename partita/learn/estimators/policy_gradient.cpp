// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/policy_gradient.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"

namespace partita::estimators {

PolicyGradient::PolicyGradient(PolicyGradientOptions options)
    : discount_(options.discount),
      reward_to_go_(options.reward_to_go),
      advantage_(std::move(options.baseline)) {
  if (!(discount_ >= 0 && discount_ <= 1)) {
    throw InvalidArgument(
        "discount", fmt::format("PolicyGradient: expected a number in [0, 1], got {}", discount_));
  }
  if (std::holds_alternative<baselines::ControlVariate>(advantage_.baseline())) {
    throw InvalidArgument("baseline", "PolicyGradient: ControlVariate is for ScoreFunction only");
  }
}

GradientEstimate PolicyGradient::operator()(const Tensor& log_prob, const Tensor& rewards) {
  if (log_prob.dim() != 2 || log_prob.sizes() != rewards.sizes() || log_prob.numel() == 0) {
    throw InvalidArgument("log_prob",
                          fmt::format("PolicyGradient: expected [T, N] as rewards, got {} and {}",
                                      to_string(log_prob.sizes()), to_string(rewards.sizes())));
  }
  const std::int64_t steps = log_prob.size(0);
  Tensor discounts = at::full({steps, 1}, discount_, log_prob.options().requires_grad(false));
  discounts[0] = 1;
  discounts = discounts.cumprod(0);

  std::vector<Tensor> to_go(static_cast<std::size_t>(steps));
  Tensor next = at::zeros_like(rewards[0]);
  for (std::int64_t t = steps; t-- > 0;) {
    next = rewards[t].detach() + discount_ * next;
    to_go[static_cast<std::size_t>(t)] = next;
  }
  const Tensor credit = reward_to_go_ ? at::stack(to_go) : next.expand_as(log_prob);
  const auto [advantage, loss] = advantage_(credit, 1);
  const Tensor weight = reward_to_go_ ? discounts * advantage : advantage;
  const Tensor surrogate = (weight * log_prob).sum(0).mean();
  return {with_own_loss(surrogate, loss, parameters()), next.mean()};
}

}  // namespace partita::estimators
