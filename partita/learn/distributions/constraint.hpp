// SPDX-License-Identifier: Apache-2.0
// What a parameter or a value of a distribution must satisfy; the names are those of Python's
// torch.distributions.constraints.
//
//   constraints::positive().check(torch::tensor({1., -1.}))   // [true, false]
//   normal.support().description                                // "a real number"
//   transform_to(constraints::positive())                       // transform_to.hpp
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

struct Constraint {
  /// The sets that transform_to() knows how to reach.
  enum class Form {
    other,
    number,  ///< all numbers between `lower` and `upper`
    simplex,
    lower_cholesky,
    corr_cholesky,
    positive_definite,
    cat,   ///< `parts` side by side along a dimension
    stack  ///< `parts`, one for each index of a dimension
  };

  std::string description;  ///< completes "expected ...": "a number > 0"
  std::int64_t event_dim;   ///< how many of the last dimensions make up one value
  bool is_discrete;
  /// [..., event] -> bool [...]; false where the value is NaN.
  std::function<Tensor(const Tensor&)> check;
  Form form = Form::other;
  Tensor lower{};  ///< the least of numbers, whole or real; undefined where they have no bound
  Tensor upper{};  ///< the greatest
  std::vector<Constraint> parts{};
  std::int64_t dim = 0;                 ///< of cat and stack
  std::vector<std::int64_t> lengths{};  ///< of cat's parts along `dim`
  /// Whether only NaN violates it.
  bool is_everything = false;
  /// True only if check(x).all(), in fewer passes, of which none writes; may be empty.
  std::function<bool(const Tensor&)> all = {};

  /// Whether all of x satisfies it.
  bool holds(const Tensor& x) const;
};

namespace constraints {

const Constraint& real();
const Constraint& positive();
const Constraint& nonnegative();
const Constraint& unit_interval();  ///< [0, 1]
const Constraint& boolean();        ///< 0 or 1
const Constraint& nonnegative_integer();
const Constraint& positive_integer();
// Bounds that depend on a parameter; `name` is what the description calls them.
Constraint greater_than(const Tensor& lower, const char* name);     ///< x > lower
Constraint greater_than_eq(const Tensor& lower, const char* name);  ///< x >= lower
Constraint less_than(const Tensor& upper, const char* name);        ///< x < upper
/// [lower, upper]; name: "[low, high]".
Constraint interval(const Tensor& lower, const Tensor& upper, const char* name);
/// [lower, upper)
Constraint half_open_interval(const Tensor& lower, const Tensor& upper, const char* name);
/// Whole numbers in [lower, upper].
Constraint integer_interval(const Tensor& lower, const Tensor& upper, const char* name);

const Constraint& real_vector();
/// Entries >= 0 that sum to 1, within 1e-6 or the square root of the type's epsilon, whichever is
/// larger.
const Constraint& simplex();
const Constraint& one_hot();  ///< one entry 1, the others 0
/// Counts whose sum is at most `upper`.
Constraint multinomial(const Tensor& upper, const char* name);
const Constraint& logits();            ///< vectors of numbers < +inf, at least one > -inf
const Constraint& lower_triangular();  ///< square matrices
const Constraint& lower_cholesky();    ///< lower triangular, diagonal > 0
/// lower_cholesky of a correlation matrix: rows of length 1, within the tolerance of a simplex.
const Constraint& corr_cholesky();
const Constraint& square();     ///< square matrices
const Constraint& symmetric();  ///< square matrices equal to their transposes, up to rounding
const Constraint& positive_semidefinite();
const Constraint& positive_definite();
/// The last `dims` batch dimensions of `base` belong to the value.
Constraint independent(const Constraint& base, std::int64_t dims);
/// Values side by side along dimension `dim` (of the value, or counted from the end if negative):
/// `lengths` (of 1 each if empty) of it belong to each part.
/// @throws InvalidArgument if the numbers of parts and lengths differ or there is no part.
Constraint cat(std::vector<Constraint> parts, std::int64_t dim = 0,
               std::vector<std::int64_t> lengths = {});
/// One part for each index of dimension `dim`.
Constraint stack(std::vector<Constraint> parts, std::int64_t dim = 0);

}  // namespace constraints
}  // namespace partita::distributions
