// What a parameter or a value of a distribution must satisfy; the names are those of Python's
// torch.distributions.constraints.
//
//   constraints::positive().check(torch::tensor({1., -1.}))   // [true, false]
//   normal.support().description                                // "a real number"
#pragma once

#include <functional>
#include <string>

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

struct Constraint {
  std::string description;  ///< completes "expected ...": "a number > 0"
  std::int64_t event_dim;   ///< how many of the last dimensions make up one value
  bool is_discrete;
  /// [..., event] -> bool [...]; false where the value is NaN.
  std::function<Tensor(const Tensor&)> check;
};

namespace constraints {

const Constraint& real();
const Constraint& positive();
const Constraint& nonnegative();
const Constraint& unit_interval();  ///< [0, 1]
const Constraint& boolean();        ///< 0 or 1
const Constraint& nonnegative_integer();
// Bounds that depend on a parameter; `name` is what the description calls them.
Constraint greater_than(const Tensor& lower, const char* name);     ///< x > lower
Constraint greater_than_eq(const Tensor& lower, const char* name);  ///< x >= lower
Constraint less_than(const Tensor& upper, const char* name);        ///< x < upper
/// [lower, upper]; name: "[low, high]".
Constraint interval(const Tensor& lower, const Tensor& upper, const char* name);
/// Whole numbers in [lower, upper].
Constraint integer_interval(const Tensor& lower, const Tensor& upper, const char* name);

const Constraint& real_vector();
/// Entries >= 0 that sum to 1, within 1e-6 or the square root of the type's epsilon, whichever is
/// larger.
const Constraint& simplex();
const Constraint& one_hot();         ///< one entry 1, the others 0
const Constraint& logits();          ///< vectors of numbers < +inf, at least one > -inf
const Constraint& lower_cholesky();  ///< lower triangular, diagonal > 0
const Constraint& positive_definite();
/// The last `dims` batch dimensions of `base` belong to the value.
Constraint independent(const Constraint& base, std::int64_t dims);

}  // namespace constraints
}  // namespace partita::distributions
