// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/constraint.hpp"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/range_kernels.hpp"

namespace partita::distributions {

namespace {

/// valid.all(), which on the CPU takes longer than the comparison that made `valid`.
bool all_true(const Tensor& valid) {
  if (!valid.is_cpu() || !valid.is_contiguous() || valid.numel() == 0) {
    return valid.all().item<bool>();
  }
  return std::memchr(valid.data_ptr<bool>(), 0, static_cast<std::size_t>(valid.numel())) == nullptr;
}

}  // namespace

bool Constraint::holds(const Tensor& x) const {
  return (all && is_plain(x) && x.numel() > 0 && all(x)) || all_true(check(x));
}

namespace constraints {

namespace {

using Form = Constraint::Form;

Tensor number(double x) { return at::scalar_tensor(x, at::kDouble); }

/// With `all`, and `is_everything`.
Constraint quick(Constraint it, std::function<bool(const Tensor&)> all,
                 bool is_everything = false) {
  it.all = std::move(all);
  it.is_everything = is_everything;
  return it;
}

/// look(kernels, numbers, count) at a plain tensor.
template <class Look>
bool looked_at(const Tensor& x, const Look& look) {
  return AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "constraint", [&] {
    return look(kernels::range_kernels<scalar_t>(), x.data_ptr<scalar_t>(),
                static_cast<std::size_t>(x.numel()));
  });
}

bool all_whole_within(const Tensor& x, double least, double greatest) {
  return looked_at(x, [&](const auto& kernels, const auto* numbers, std::size_t n) {
    using T = std::remove_cvref_t<decltype(*numbers)>;
    return kernels.all_whole_within(numbers, n, static_cast<T>(least), static_cast<T>(greatest));
  });
}

bool all_positive(const Tensor& x) {
  return looked_at(x, [](const auto& kernels, const auto* numbers, std::size_t n) {
    return kernels.all_positive(numbers, n);
  });
}

Tensor is_whole(const Tensor& number) {
  const Tensor x = widened(number);
  return x == x.floor();
}

// The least and the greatest of each vector, NaN if an entry is: one pass, which a comparison of
// every entry is not. Of an empty vector: 0 and -inf.

Tensor least(const Tensor& x) { return x.size(-1) == 0 ? x.sum(-1) : widened(x).amin(-1); }

Tensor greatest(const Tensor& x) { return x.size(-1) == 0 ? x.sum(-1).log() : widened(x).amax(-1); }

}  // namespace

const Constraint& real() {
  static const Constraint it = quick(
      {"a real number", 0, false, [](const Tensor& x) { return x.isnan().logical_not(); },
       Form::number},
      [](const Tensor& x) { return all_within(x, -kInfinity, kInfinity); }, true);
  return it;
}

const Constraint& positive() {
  static const Constraint it = quick(
      {"a number > 0", 0, false, [](const Tensor& x) { return x > 0; }, Form::number, number(0)},
      all_positive);
  return it;
}

const Constraint& nonnegative() {
  static const Constraint it = quick(
      {"a number >= 0", 0, false, [](const Tensor& x) { return x >= 0; }, Form::number, number(0)},
      [](const Tensor& x) { return all_at_least(x, 0); });
  return it;
}

const Constraint& unit_interval() {
  static const Constraint it = quick(
      {"a number in [0, 1]", 0, false, [](const Tensor& x) { return (x >= 0).logical_and(x <= 1); },
       Form::number, number(0), number(1)},
      [](const Tensor& x) { return all_within(x, 0, 1); });
  return it;
}

const Constraint& boolean() {
  static const Constraint it =
      quick({"0 or 1", 0, true, [](const Tensor& x) { return (x == 0).logical_or(x == 1); },
             Form::other, number(0), number(1)},
            [](const Tensor& x) { return all_whole_within(x, 0, 1); });
  return it;
}

const Constraint& nonnegative_integer() {
  static const Constraint it = quick(
      {"a whole number >= 0", 0, true,
       [](const Tensor& x) { return is_whole(x).logical_and(x >= 0); }, Form::other, number(0)},
      [](const Tensor& x) { return all_whole_within(x, 0, kInfinity); });
  return it;
}

const Constraint& positive_integer() {
  static const Constraint it{"a whole number > 0",
                             0,
                             true,
                             [](const Tensor& x) { return is_whole(x).logical_and(x > 0); },
                             Form::other,
                             number(1)};
  return it;
}

Constraint greater_than(const Tensor& lower, const char* name) {
  return {fmt::format("a number > {}", name),
          0,
          false,
          [lower](const Tensor& x) { return x > lower; },
          Form::number,
          lower};
}

Constraint greater_than_eq(const Tensor& lower, const char* name) {
  return {fmt::format("a number >= {}", name),
          0,
          false,
          [lower](const Tensor& x) { return x >= lower; },
          Form::number,
          lower};
}

Constraint less_than(const Tensor& upper, const char* name) {
  return {fmt::format("a number < {}", name),
          0,
          false,
          [upper](const Tensor& x) { return x < upper; },
          Form::number,
          Tensor(),
          upper};
}

Constraint interval(const Tensor& lower, const Tensor& upper, const char* name) {
  return {fmt::format("a number in {}", name),
          0,
          false,
          [=](const Tensor& x) { return (x >= lower).logical_and(x <= upper); },
          Form::number,
          lower,
          upper};
}

Constraint half_open_interval(const Tensor& lower, const Tensor& upper, const char* name) {
  return {fmt::format("a number in {}", name),
          0,
          false,
          [=](const Tensor& x) { return (x >= lower).logical_and(x < upper); },
          Form::number,
          lower,
          upper};
}

Constraint integer_interval(const Tensor& lower, const Tensor& upper, const char* name) {
  return {
      fmt::format("a whole number in {}", name),
      0,
      true,
      [=](const Tensor& x) { return is_whole(x).logical_and(x >= lower).logical_and(x <= upper); },
      Form::other,
      lower,
      upper};
}

const Constraint& real_vector() {
  static const Constraint it = independent(real(), 1);
  return it;
}

const Constraint& simplex() {
  static const auto tolerance = [](const Tensor& x) {
    return std::max(1e-6, std::sqrt(epsilon(x.scalar_type())));
  };
  static const Constraint it =
      quick({"probabilities that sum to 1", 1, false,
             [](const Tensor& x) {
               return (least(x) >= 0).logical_and((widened(x).sum(-1) - 1).abs() <= tolerance(x));
             },
             Form::simplex},
            [](const Tensor& x) {
              return looked_at(x, [&](const auto& kernels, const auto* numbers, std::size_t n) {
                using T = std::remove_cvref_t<decltype(*numbers)>;
                const auto k = static_cast<std::size_t>(x.size(-1));
                return kernels.all_on_simplex(numbers, n / k, k, static_cast<T>(tolerance(x)));
              });
            });
  return it;
}

const Constraint& one_hot() {
  static const Constraint it =
      quick({"a one-hot vector", 1, true,
             [](const Tensor& x) {
               return (x == 0).logical_or(x == 1).all(-1).logical_and(x.sum(-1) == 1);
             }},
            [](const Tensor& x) { return boolean().all(x) && all_true(x.sum(-1) == 1); });
  return it;
}

const Constraint& logits() {
  static const Constraint it{"logits, each < +inf and not all -inf", 1, false,
                             [](const Tensor& x) { return greatest(x).isfinite(); }};
  return it;
}

Constraint multinomial(const Tensor& upper, const char* name) {
  return {fmt::format("counts whose sum is at most {}", name), 1, true, [upper](const Tensor& x) {
            return is_whole(x).logical_and(x >= 0).all(-1).logical_and(x.sum(-1) <= upper);
          }};
}

namespace {

/// all() of each matrix.
Tensor every_entry(const Tensor& x) { return x.flatten(-2).all(-1); }

Tensor is_lower_triangular(const Tensor& x) { return every_entry(x == x.tril()); }

Tensor is_lower_cholesky(const Tensor& x) {
  return is_lower_triangular(x).logical_and((x.diagonal(0, -2, -1) > 0).all(-1));
}

Tensor is_symmetric(const Tensor& x) {
  // Up to what rounding leaves in a product A A^T of single precision, in units of its diagonal:
  // next to that, entries near 0 may differ by more than their own size.
  const Tensor scale = x.diagonal(0, -2, -1).abs().sqrt();
  const Tensor tolerance = 1e-5 * scale.unsqueeze(-1) * scale.unsqueeze(-2);
  return every_entry((x - x.mT()).abs() <= tolerance);
}

/// False for all of them unless the matrices are square.
std::function<Tensor(const Tensor&)> if_square(std::function<Tensor(const Tensor&)> check) {
  return [check = std::move(check)](const Tensor& x) {
    const IntArrayRef batch = x.sizes().slice(0, x.sizes().size() - 2);
    return x.size(-1) == x.size(-2) ? check(widened(x))
                                    : at::zeros(batch, x.options().dtype(at::kBool));
  };
}

}  // namespace

const Constraint& square() {
  static const Constraint it{"a square matrix", 2, false, if_square([](const Tensor& x) {
                               return every_entry(x.isnan().logical_not());
                             })};
  return it;
}

const Constraint& symmetric() {
  static const Constraint it{"a symmetric matrix", 2, false, if_square(is_symmetric)};
  return it;
}

const Constraint& lower_triangular() {
  static const Constraint it{"a lower triangular matrix", 2, false, if_square(is_lower_triangular)};
  return it;
}

const Constraint& lower_cholesky() {
  static const Constraint it{"a lower triangular matrix with a positive diagonal", 2, false,
                             if_square(is_lower_cholesky), Form::lower_cholesky};
  return it;
}

const Constraint& corr_cholesky() {
  static const Constraint it{
      "a lower triangular matrix with a positive diagonal and rows of length 1", 2, false,
      [](const Tensor& matrix) {
        // That of the type in which it was rounded.
        const double tolerance = std::max(1e-6, std::sqrt(epsilon(matrix.scalar_type())));
        return if_square([tolerance](const Tensor& x) {
          return is_lower_cholesky(x).logical_and(
              ((x.square().sum(-1) - 1).abs() <= tolerance).all(-1));
        })(matrix);
      },
      Form::corr_cholesky};
  return it;
}

const Constraint& positive_semidefinite() {
  static const Constraint it{
      "a symmetric positive-semidefinite matrix", 2, false, if_square([](const Tensor& x) {
        const Tensor finite = every_entry(x.isfinite());
        const Tensor values =
            at::linalg_eigvalsh(x.masked_fill(finite.logical_not().unsqueeze(-1).unsqueeze(-1), 0));
        // An eigenvalue of 0 is off by as many roundings of the largest as there are rows.
        const Tensor slack = values.abs().amax(-1, /*keepdim=*/true) *
                             (static_cast<double>(x.size(-1)) * epsilon(x.scalar_type()));
        return is_symmetric(x).logical_and(finite).logical_and((values >= -slack).all(-1));
      })};
  return it;
}

const Constraint& positive_definite() {
  static const Constraint it{
      "a symmetric positive-definite matrix", 2, false, if_square([](const Tensor& x) {
        return is_symmetric(x).logical_and(std::get<1>(at::linalg_cholesky_ex(x)) == 0);
      }),
      Form::positive_definite};
  return it;
}

Constraint independent(const Constraint& base, std::int64_t dims) {
  if (dims == 0) return base;
  Constraint result = base;
  result.event_dim += dims;
  result.check = [check = base.check, dims](const Tensor& x) {
    const Tensor valid = check(x);
    return valid.flatten(valid.dim() - dims).all(-1);
  };
  return result;
}

}  // namespace constraints
}  // namespace partita::distributions
