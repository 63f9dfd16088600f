#include "partita/learn/distributions/constraint.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions::constraints {

namespace {

Tensor is_whole(const Tensor& x) { return x == x.floor(); }

// The least and the greatest of each vector, NaN if an entry is: one pass, which a comparison of
// every entry is not. Of an empty vector: 0 and -inf.

Tensor least(const Tensor& x) { return x.size(-1) == 0 ? x.sum(-1) : x.amin(-1); }

Tensor greatest(const Tensor& x) { return x.size(-1) == 0 ? x.sum(-1).log() : x.amax(-1); }

}  // namespace

const Constraint& real() {
  static const Constraint it{"a real number", 0, false,
                             [](const Tensor& x) { return x.isnan().logical_not(); }};
  return it;
}

const Constraint& positive() {
  static const Constraint it{"a number > 0", 0, false, [](const Tensor& x) { return x > 0; }};
  return it;
}

const Constraint& nonnegative() {
  static const Constraint it{"a number >= 0", 0, false, [](const Tensor& x) { return x >= 0; }};
  return it;
}

const Constraint& unit_interval() {
  static const Constraint it{"a number in [0, 1]", 0, false,
                             [](const Tensor& x) { return (x >= 0).logical_and(x <= 1); }};
  return it;
}

const Constraint& boolean() {
  static const Constraint it{"0 or 1", 0, true,
                             [](const Tensor& x) { return (x == 0).logical_or(x == 1); }};
  return it;
}

const Constraint& nonnegative_integer() {
  static const Constraint it{"a whole number >= 0", 0, true,
                             [](const Tensor& x) { return is_whole(x).logical_and(x >= 0); }};
  return it;
}

Constraint greater_than(const Tensor& lower, const char* name) {
  return {fmt::format("a number > {}", name), 0, false,
          [lower](const Tensor& x) { return x > lower; }};
}

Constraint greater_than_eq(const Tensor& lower, const char* name) {
  return {fmt::format("a number >= {}", name), 0, false,
          [lower](const Tensor& x) { return x >= lower; }};
}

Constraint less_than(const Tensor& upper, const char* name) {
  return {fmt::format("a number < {}", name), 0, false,
          [upper](const Tensor& x) { return x < upper; }};
}

Constraint interval(const Tensor& lower, const Tensor& upper, const char* name) {
  return {fmt::format("a number in {}", name), 0, false,
          [=](const Tensor& x) { return (x >= lower).logical_and(x <= upper); }};
}

Constraint integer_interval(const Tensor& lower, const Tensor& upper, const char* name) {
  return {fmt::format("a whole number in {}", name), 0, true, [=](const Tensor& x) {
            return is_whole(x).logical_and(x >= lower).logical_and(x <= upper);
          }};
}

const Constraint& real_vector() {
  static const Constraint it = independent(real(), 1);
  return it;
}

const Constraint& simplex() {
  static const Constraint it{
      "probabilities that sum to 1", 1, false, [](const Tensor& x) {
        const double tolerance = std::max(1e-6, std::sqrt(epsilon(x.scalar_type())));
        return (least(x) >= 0).logical_and((x.sum(-1) - 1).abs() <= tolerance);
      }};
  return it;
}

const Constraint& one_hot() {
  static const Constraint it{
      "a one-hot vector", 1, true, [](const Tensor& x) {
        return (x == 0).logical_or(x == 1).all(-1).logical_and(x.sum(-1) == 1);
      }};
  return it;
}

const Constraint& logits() {
  static const Constraint it{"logits, each < +inf and not all -inf", 1, false,
                             [](const Tensor& x) { return greatest(x).isfinite(); }};
  return it;
}

const Constraint& lower_cholesky() {
  static const Constraint it{
      "a lower triangular matrix with a positive diagonal", 2, false, [](const Tensor& x) {
        return (x == x.tril()).flatten(-2).all(-1).logical_and((x.diagonal(0, -2, -1) > 0).all(-1));
      }};
  return it;
}

const Constraint& positive_definite() {
  static const Constraint it{
      "a symmetric positive-definite matrix", 2, false, [](const Tensor& x) {
        // Up to what rounding leaves in a product A A^T of single precision, in units of its
        // diagonal: next to that, entries near 0 may differ by more than their own size.
        const Tensor scale = x.diagonal(0, -2, -1).sqrt();
        const Tensor tolerance = 1e-5 * scale.unsqueeze(-1) * scale.unsqueeze(-2);
        const Tensor symmetric = ((x - x.mT()).abs() <= tolerance).flatten(-2).all(-1);
        return symmetric.logical_and(std::get<1>(at::linalg_cholesky_ex(x)) == 0);
      }};
  return it;
}

Constraint independent(const Constraint& base, std::int64_t dims) {
  if (dims == 0) return base;
  return {base.description, base.event_dim + dims, base.is_discrete,
          [check = base.check, dims](const Tensor& x) {
            const Tensor valid = check(x);
            return valid.flatten(valid.dim() - dims).all(-1);
          }};
}

}  // namespace partita::distributions::constraints
