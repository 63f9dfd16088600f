// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/transform_to.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/part_transforms.hpp"
#include "partita/learn/distributions/vector_transforms.hpp"

namespace partita::distributions {

namespace {

using Form = Constraint::Form;

[[noreturn]] void unreachable(const char* function, const Constraint& constraint) {
  throw InvalidArgument(
      "constraint", fmt::format("{}: no transform leads to {}", function, constraint.description));
}

/// Whether there is such a bound at all: an infinite one is none.
bool bounds(const char* function, const Constraint& constraint, const Tensor& bound) {
  if (!bound.defined()) return false;
  const Tensor infinite = bound.isinf();
  if (infinite.all().item<bool>()) return false;
  if (infinite.any().item<bool>()) unreachable(function, constraint);  // of some of a batch
  return true;
}

bool is(const Tensor& bound, double number) {
  return bound.dim() == 0 && bound.item<double>() == number;
}

TransformPtr in_sequence(const AnyTransform& first, const AnyTransform& second) {
  return std::make_shared<ComposeTransform>(std::vector<AnyTransform>{first, second});
}

TransformPtr to_number(const char* function, const Constraint& constraint) {
  const Tensor& lower = constraint.lower;
  const Tensor& upper = constraint.upper;
  const bool has_lower = bounds(function, constraint, lower);
  const bool has_upper = bounds(function, constraint, upper);
  if (has_lower && has_upper) {
    if (is(lower, 0) && is(upper, 1)) return std::make_shared<SigmoidTransform>();
    return in_sequence(SigmoidTransform(), AffineTransform(lower, upper - lower));
  }
  if (has_lower) {
    if (is(lower, 0)) return std::make_shared<ExpTransform>();
    return in_sequence(ExpTransform(), AffineTransform(lower, 1));
  }
  if (has_upper) return in_sequence(ExpTransform(), AffineTransform(upper, -1));
  return std::make_shared<ComposeTransform>(identity_transform());
}

/// The transform to one value of the set, and how many dimensions that has.
std::pair<TransformPtr, std::int64_t> to_value(const char* function, const Constraint& constraint,
                                               bool one_to_one) {
  const auto parts = [&] {
    std::vector<AnyTransform> all;
    for (const Constraint& part : constraint.parts) {
      all.emplace_back(one_to_one ? biject_to(part) : transform_to(part));
    }
    return all;
  };
  if (constraint.is_discrete) unreachable(function, constraint);
  switch (constraint.form) {
    case Form::number:
      return {to_number(function, constraint), 0};
    case Form::simplex:
      if (one_to_one) return {std::make_shared<StickBreakingTransform>(), 1};
      return {std::make_shared<SoftmaxTransform>(), 1};
    case Form::corr_cholesky:
      return {std::make_shared<CorrCholeskyTransform>(), 2};
    case Form::lower_cholesky:
      if (one_to_one) unreachable(function, constraint);
      return {std::make_shared<LowerCholeskyTransform>(), 2};
    case Form::positive_definite:
      if (one_to_one) unreachable(function, constraint);
      return {std::make_shared<PositiveDefiniteTransform>(), 2};
    case Form::cat:
      return {std::make_shared<CatTransform>(parts(), constraint.dim, constraint.lengths),
              constraint.event_dim};
    case Form::stack:
      return {std::make_shared<StackTransform>(parts(), constraint.dim), constraint.event_dim};
    default:
      unreachable(function, constraint);
  }
}

TransformPtr to_set(const char* function, const Constraint& constraint, bool one_to_one) {
  const auto [transform, dims] = to_value(function, constraint, one_to_one);
  if (constraint.event_dim == dims) return transform;
  return std::make_shared<IndependentTransform>(transform, constraint.event_dim - dims);
}

}  // namespace

TransformPtr transform_to(const Constraint& constraint) {
  return to_set("transform_to", constraint, /*one_to_one=*/false);
}

TransformPtr biject_to(const Constraint& constraint) {
  return to_set("biject_to", constraint, /*one_to_one=*/true);
}

}  // namespace partita::distributions
