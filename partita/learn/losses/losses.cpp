// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/losses.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::losses {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

using distributions::Constraint;
namespace constraints = distributions::constraints;

/// The index of the first element that is false, if there is one, else -1.
std::int64_t first_false(const Tensor& valid) {
  if (valid.all().item<bool>()) return -1;
  return valid.flatten().logical_not().nonzero()[0].item<std::int64_t>();
}

/// Why a row is not valid as logits or probabilities, with the offending value.
std::string fault(const Tensor& row, const Tensor& valid_entries, const std::string& otherwise) {
  const std::int64_t column = first_false(valid_entries);
  return column < 0 ? otherwise
                    : fmt::format("{} at column {}", row[column].item<double>(), column);
}

void check_floating(const char* argument, const Tensor& tensor) {
  if (!tensor.is_floating_point()) {
    throw InvalidArgument(argument, fmt::format("expected a floating-point tensor, got {}",
                                                at::toString(tensor.scalar_type())));
  }
}

void check_same_shape(const Tensor& target, const char* name, const Tensor& input) {
  if (target.sizes() == input.sizes()) return;
  throw InvalidArgument("target", fmt::format("expected the shape of {}, {}, got {}", name,
                                              to_string(input.sizes()), to_string(target.sizes())));
}

void check_elements(const char* argument, const Tensor& value, const Constraint& constraint) {
  const std::int64_t bad = first_false(constraint.check(value));
  if (bad < 0) return;
  throw InvalidArgument(argument,
                        fmt::format("expected {}, got {} at element {}", constraint.description,
                                    value.flatten()[bad].item<double>(), bad));
}

void check_logits(const Tensor& logits) {
  check_floating("logits", logits);
  if (logits.dim() == 0 || logits.size(-1) == 0) {
    throw InvalidArgument("logits", fmt::format("expected shape [..., K] with K classes, got {}",
                                                to_string(logits.sizes())));
  }
  const Tensor rows = logits.detach().reshape({-1, logits.size(-1)});
  const std::int64_t bad = first_false(constraints::logits().check(rows));
  if (bad < 0) return;
  throw InvalidArgument(
      "logits", fmt::format("row {}: expected {}, got {}", bad, constraints::logits().description,
                            fault(rows[bad], rows[bad] < kInfinity, "-inf in every column")));
}

/// Classes: integers [...]; or probabilities: [..., K].
bool is_classes(const Tensor& target) { return !target.is_floating_point(); }

void check_target(const Tensor& logits, const Tensor& target) {
  const std::int64_t classes = logits.size(-1);
  if (!is_classes(target)) {
    check_same_shape(target, "logits", logits);
    const Tensor rows = target.detach().reshape({-1, classes});
    const std::int64_t bad = first_false(constraints::simplex().check(rows));
    if (bad < 0) return;
    throw InvalidArgument(
        "target",
        fmt::format("row {}: expected {}, got {}", bad, constraints::simplex().description,
                    fault(rows[bad], rows[bad] >= 0,
                          fmt::format("a sum of {}", rows[bad].sum().item<double>()))));
  }
  if (target.scalar_type() == at::kBool) {
    throw InvalidArgument("target", "expected classes as integers, or probabilities, got Bool");
  }
  const IntArrayRef batch = logits.sizes().slice(0, static_cast<std::size_t>(logits.dim() - 1));
  if (target.sizes() != batch) {
    throw InvalidArgument("target", fmt::format("expected shape {}, a class for each row of "
                                                "logits, got {}",
                                                to_string(batch), to_string(target.sizes())));
  }
  const std::int64_t bad = first_false((target >= 0).logical_and(target < classes));
  if (bad < 0) return;
  throw InvalidArgument("target",
                        fmt::format("row {}: expected a class of 0..{}, got {}", bad, classes - 1,
                                    target.flatten()[bad].item<std::int64_t>()));
}

Tensor reduce(const Tensor& loss, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return loss.mean();
    case Reduction::sum:
      return loss.sum();
    case Reduction::none:
      break;
  }
  return loss;
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
