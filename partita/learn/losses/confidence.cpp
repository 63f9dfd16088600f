// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/confidence.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/base/internal/check.hpp"

namespace partita::losses {

Tensor kl_from_uniform(const Tensor& logits, Reduction reduction) {
  // Without a dimension of classes, cross_entropy says what is wrong.
  const auto classes = logits.dim() > 0 ? static_cast<double>(logits.size(-1)) : 1.0;
  const Tensor uniform = at::full_like(logits.detach(), 1 / classes);
  const Tensor rows = cross_entropy(logits, uniform, Reduction::none) - std::log(classes);
  if (reduction == Reduction::none) return rows;
  return reduction == Reduction::mean ? rows.mean() : rows.sum();
}

Tensor confidence_loss(const Tensor& in_logits, const Tensor& labels, const Tensor& out_logits,
                       double beta) {
  check_in("beta", beta, "[0, inf)");
  return cross_entropy(in_logits, labels) + beta * kl_from_uniform(out_logits);
}

}  // namespace partita::losses
