// SPDX-License-Identifier: Apache-2.0
// Isotonic regression: the non-decreasing curve nearest to labels of 0 and 1, by least squares
// (Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability
// estimates").
//
//   partita::IsotonicCurve curve = partita::fit_isotonic(scores, labels);
//   double probability = curve(0.7);
#pragma once

#include <span>
#include <vector>

namespace partita {

/// Linear between its points, constant outside them.
struct IsotonicCurve {
  std::vector<double> x;  ///< strictly ascending
  std::vector<double> y;  ///< as many as x, non-decreasing

  double operator()(double at) const;
};

/// Pools adjacent violators. Values of the same x are averaged first, as scikit-learn does; between
/// two values of x the curve is linear.
/// @param x finite. @param y as many
/// @throws InvalidArgument if there are none, if the sizes differ, or if x is not finite
IsotonicCurve fit_isotonic(std::span<const double> x, std::span<const double> y);

}  // namespace partita
