// SPDX-License-Identifier: Apache-2.0
// The scalar functions around a softmax of two classes, each accurate over all of double. Formulas
// in log space are made of them: no intermediate overflows, and differences near 0 or 1 do not
// cancel.
//
//   double p = partita::sigmoid(x);              // x = partita::logit(p)
//   double q = partita::log1mexp(std::log(p));   // log(1 - p)
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace partita {

/// log(1 + e^x). Also called softplus. x -> -inf gives 0 (as e^x), +inf gives +inf.
inline double log1pexp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// log(1 + e^x), under its name in neural networks.
inline double softplus(double x) { return log1pexp(x); }

/// log(1 - e^x) for x <= 0: -inf at 0, NaN above. The form switches at -log 2, so that each is used
/// where it is best (Maechler, "Accurately computing log(1 - exp(-|a|))", 2012).
inline double log1mexp(double x) {
  return x > -std::numbers::ln2 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
}

/// 1 / (1 + e^-x), in (0, 1), without overflow for either sign.
inline double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/// log(sigmoid(x)) = -log(1 + e^-x).
inline double log_sigmoid(double x) { return -log1pexp(-x); }

/// The inverse of sigmoid: log(p / (1 - p)) for p in [0, 1]; -inf at 0, +inf at 1, NaN outside.
/// Around 1/2, where the quotient cancels, 2 atanh(2p - 1) takes its place.
inline double logit(double p) {
  if (p > 0.25 && p < 0.75) return 2 * std::atanh(2 * p - 1);
  return std::log(p) - std::log1p(-p);
}

/// log(e^a + e^b). -inf is an exact zero.
inline double log_add_exp(double a, double b) {
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(-std::abs(a - b)));
}

/// log(e^a - e^b) for a >= b; -inf when they are equal, NaN for a < b.
inline double log_diff_exp(double a, double b) {
  if (a == b) return -std::numeric_limits<double>::infinity();
  return std::isinf(b) && b < 0 ? a : a + log1mexp(b - a);
}

}  // namespace partita
