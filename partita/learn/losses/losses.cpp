// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/losses.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/losses/internal/checks.hpp"

namespace partita::losses {

namespace {

using distributions::Constraint;
namespace constraints = distributions::constraints;

void check_elements(const char* argument, const Tensor& value, const Constraint& constraint) {
  const std::int64_t bad = first_false(constraint.check(value));
  if (bad < 0) return;
  throw InvalidArgument(argument,
                        fmt::format("expected {}, got {} at element {}", constraint.description,
                                    value.flatten()[bad].item<double>(), bad));
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction) {
  check_logits(logits);
  check_target(logits, target);
  const Tensor log_p = logits.log_softmax(-1);
  const Tensor loss = is_classes(target)
                          ? -log_p.gather(-1, target.to(at::kLong).unsqueeze(-1)).squeeze(-1)
                          : -distributions::times(target, log_p).sum(-1);
  return reduce(loss, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        Reduction reduction) {
  check_floating("logits", logits);
  check_floating("target", target);
  check_same_shape(target, "logits", logits);
  check_elements("logits", logits, constraints::real());
  check_elements("target", target, constraints::unit_interval());
  return reduce(-distributions::Coin{logits, /*is_logits=*/true}.log_prob(target, 1 - target),
                reduction);
}

Tensor gaussian_nll(const Tensor& mean, const Tensor& target, const TensorOrNumber& variance,
                    Reduction reduction) {
  check_floating("mean", mean);
  check_same_shape(target, "mean", mean);
  const Tensor v = variance.tensor(mean.options());
  check_elements("mean", mean, constraints::real());
  check_elements("target", target, constraints::real());
  check_elements("variance", v, constraints::positive());
  return reduce(
      (target - mean).square() / (2 * v) + 0.5 * v.log() + 0.5 * std::log(2 * std::numbers::pi),
      reduction);
}

Tensor softmax_square(const Tensor& logits, const Tensor& target, Reduction reduction) {
  check_logits(logits);
  check_target(logits, target);
  const Tensor t = is_classes(target)
                       ? at::one_hot(target.to(at::kLong), logits.size(-1)).to(logits.scalar_type())
                       : target;
  return reduce((logits.softmax(-1) - t).square().sum(-1), reduction);
}

}  // namespace partita::losses
