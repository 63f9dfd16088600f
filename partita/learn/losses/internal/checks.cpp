// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/internal/checks.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>
#include <string>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/constraint.hpp"

namespace partita::losses {

namespace constraints = distributions::constraints;

std::int64_t first_false(const Tensor& valid) {
  if (valid.all().item<bool>()) return -1;
  return valid.flatten().logical_not().nonzero()[0].item<std::int64_t>();
}

namespace {

/// Why a row is not valid as logits or probabilities, with the offending value.
std::string fault(const Tensor& row, const Tensor& valid_entries, const std::string& otherwise) {
  const std::int64_t column = first_false(valid_entries);
  return column < 0 ? otherwise
                    : fmt::format("{} at column {}", row[column].item<double>(), column);
}

}  // namespace

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
                            fault(rows[bad], rows[bad] < std::numeric_limits<double>::infinity(),
                                  "-inf in every column")));
}

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

}  // namespace partita::losses
