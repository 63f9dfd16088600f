// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/choice.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

std::int64_t categories_of(const TensorOrNumber& scores) {
  return scores.is_number() || scores.tensor().dim() == 0 ? 1 : scores.tensor().size(-1);
}

void check_choice(const char* distribution, std::int64_t k, std::int64_t least,
                  std::int64_t categories) {
  if (least <= k && k <= categories) return;
  throw InvalidArgument("k", fmt::format("{}: expected {} to {}, the number of categories, got {}",
                                         distribution, least, categories, k));
}

Argument scores_argument(const ProbsOrLogits& scores, std::int64_t k) {
  const char* name = scores.is_logits() ? "logits" : "scores";
  const double lowest = scores.is_logits() ? -kInfinity : 0;
  return {name,
          scores.value(),
          {fmt::format("{} in [{}, +inf), {} or more of them > {}", name, lowest, k, lowest), 1,
           false, [=](const Tensor& x) {
             const Tensor in_range = (x >= lowest).logical_and(x < kInfinity).all(-1);
             return in_range.logical_and((x > lowest).sum(-1) >= k);
           }}};
}

Argument temperature_argument(const TensorOrNumber& temperature) {
  const bool is_single = !temperature.is_number() && temperature.tensor().numel() == 1;
  return {"temperature", is_single ? temperature.tensor().reshape({}) : temperature,
          constraints::positive()};
}

}  // namespace partita::distributions
