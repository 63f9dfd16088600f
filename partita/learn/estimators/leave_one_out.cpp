// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/leave_one_out.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace partita::estimators {

namespace {

/// [nodes], equally spaced. On the left the integrand in y is at most e^(y + 1) times what it is at
/// 0; on the right it falls like x^{k+1} e^-x. It is analytic in |Im y| < pi/2, which bounds the
/// step, and its peak may be as narrow as 1 / sqrt(k + 1).
Tensor nodes(std::int64_t k) {
  const auto n = static_cast<double>(k + 1);
  const double step = std::min(0.2, 0.55 / std::sqrt(n));
  const double last = std::log(n + 38 + 12 * std::sqrt(n));
  return at::arange(-38, last, step, at::kDouble);
}

LeaveOneOutRatios ratios(const Tensor& log_prob, const Tensor& log_rest) {
  const Tensor y = nodes(log_prob.size(1)).to(log_prob.device());
  const Tensor log_p = log_prob.unsqueeze(-1);                // [rows, k, 1]
  const Tensor log_q = log_rest.unsqueeze(-1).unsqueeze(-1);  // [rows, 1, 1]
  const Tensor log_ax = log_p - log_q + y;                    // [rows, k, nodes]
  const Tensor factor = -at::expm1(-log_ax.exp());
  const Tensor underflows = log_ax < -600;  // there, use the first order
  const Tensor log_factor = at::where(underflows, log_ax, factor.log());
  const Tensor weight = (y - y.exp() + log_factor.sum(1)).softmax(-1).unsqueeze(1);

  // Leaving s out divides by its factor: p(s) R(S, s) is the mean of p(s) / factor. In units of
  // p(s) or of what is left, whichever is larger, since the smaller may underflow.
  const Tensor log_unit = at::maximum(log_p, log_q);
  const Tensor quotient =
      at::where(underflows, (log_q - log_unit - y).exp(), (log_p - log_unit).exp() / factor);
  const Tensor weighted = weight * quotient;
  const Tensor sum = weighted.sum(-1, true);
  const Tensor unit = log_unit.exp();
  const Tensor second = at::bmm(weighted / sum, (unit * quotient).transpose(1, 2));
  second.diagonal(0, 1, 2).copy_(log_prob.exp());
  return {(unit * sum).squeeze(-1), second};
}

}  // namespace

LeaveOneOutRatios leave_one_out_ratios(const Tensor& log_prob, const Tensor& log_rest) {
  const at::NoGradGuard no_grad;
  const Tensor values = log_prob.detach().to(at::kDouble);
  const Tensor rest = log_rest.detach().to(at::kDouble);
  // Some rows at a time, so that [rows, k, nodes] stays within some 32 MiB.
  const std::int64_t k = values.size(1);
  const std::int64_t step = std::max<std::int64_t>(1, (1 << 22) / (k * nodes(k).numel()));
  std::vector<Tensor> first;
  std::vector<Tensor> second;
  for (std::int64_t row = 0; row < values.size(0); row += step) {
    const std::int64_t count = std::min(step, values.size(0) - row);
    const auto part = ratios(values.narrow(0, row, count), rest.narrow(0, row, count));
    first.push_back(part.first);
    second.push_back(part.second);
  }
  return {at::cat(first).to(log_prob.options()), at::cat(second).to(log_prob.options())};
}

}  // namespace partita::estimators
