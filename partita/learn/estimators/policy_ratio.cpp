// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/policy_ratio.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::estimators {

namespace {

void check_same_shape(const char* name, const Tensor& tensor, const Tensor& log_prob) {
  if (tensor.sizes() == log_prob.sizes()) return;
  throw InvalidArgument(name, fmt::format("expected {}, as log_prob has it, got {}",
                                          to_string(log_prob.sizes()), to_string(tensor.sizes())));
}

}  // namespace

Tensor group_advantages(const Tensor& rewards, GroupBaseline baseline) {
  if (rewards.dim() == 0 || rewards.size(-1) < 2) {
    throw InvalidArgument("rewards", fmt::format("expected [..., n] with n >= 2, got {}",
                                                 to_string(rewards.sizes())));
  }
  const Tensor r = rewards.detach();
  const Tensor deviation = r - r.mean(-1, true);
  if (baseline == GroupBaseline::leave_one_out) {
    const auto n = static_cast<double>(r.size(-1));
    return deviation * (n / (n - 1));
  }
  const Tensor spread = r.std(-1, /*unbiased=*/true, /*keepdim=*/true);
  return at::where(spread > 0, deviation / spread, at::zeros_like(deviation));
}

Tensor clipped_ratio_objective(const Tensor& log_prob, const Tensor& drawn_log_prob,
                               const Tensor& advantage, const ClippedRatioOptions& options) {
  check_same_shape("drawn_log_prob", drawn_log_prob, log_prob);
  check_same_shape("advantage", advantage, log_prob);
  check_in("low", options.low, "(0, 1)");
  check_in("high", options.high, "(0, inf)");
  const Tensor ratio = (log_prob - drawn_log_prob.detach()).exp();
  const Tensor a = advantage.detach();
  // The lesser of the two: no reward for a ratio that is out of bounds, but a way back.
  return at::minimum(ratio * a, ratio.clamp(1 - options.low, 1 + options.high) * a);
}

Tensor truncated_ratios(const Tensor& log_prob, const Tensor& drawn_log_prob, double most) {
  check_same_shape("drawn_log_prob", drawn_log_prob, log_prob);
  check_in("most", most, "(0, inf)");
  return (log_prob - drawn_log_prob).detach().exp().clamp_max(most);
}

GradientEstimate reverse_kl(const Tensor& log_prob, const Tensor& reference_log_prob,
                            KlValue value) {
  check_same_shape("reference_log_prob", reference_log_prob, log_prob);
  const Tensor log_ratio = (log_prob - reference_log_prob).detach();
  const Tensor surrogate = log_ratio * log_prob;
  switch (value) {
    case KlValue::k1:
      return {surrogate, log_ratio};
    case KlValue::k2:
      return {surrogate, log_ratio.square() / 2};
    case KlValue::k3:
      break;
  }
  return {surrogate, at::expm1(-log_ratio) + log_ratio};
}

}  // namespace partita::estimators
