// SPDX-License-Identifier: Apache-2.0
// The calculus of variations, numerically: a function f on a grid for which
//   J[f] = integral from a to b of F(x, f(x), f'(x)) dx
// is least. Where F is smooth, f solves the equation of Euler and Lagrange, d/dx dF/df' = dF/df.
//
//   const Tensor x = at::linspace(0, 4, 33, at::kDouble);
//   const auto length = [](const Tensor&, const Tensor&, const Tensor& slope) {
//     return (1 + slope.square()).sqrt();
//   };
//   const auto path = minimize_functional(length, x, at::cos(x));   // cos 0 and cos 4 are its ends
//   path.f;        // on the straight line between them
//   path.value;    // the length of that line
#pragma once

#include <cstdint>
#include <functional>

#include "partita/learn/tensor.hpp"

namespace partita {

/// F at points [n], from x, f and f' there, [n] each: a tensor [n] that autograd can differentiate.
using Integrand = std::function<Tensor(const Tensor& x, const Tensor& f, const Tensor& slope)>;

/// The integral by the midpoint rule, for f linear between the grid's points: its error falls with
/// the square of their distance. @param x increasing, [n], n >= 2. @param f [n] @return one element
/// @throws InvalidArgument for other shapes
Tensor integrate_functional(const Integrand& integrand, const Tensor& x, const Tensor& f);

struct FunctionalMinimum {
  Tensor f;      ///< [n]
  double value;  ///< J[f]
};

enum class Ends : std::uint8_t {
  fixed,  ///< f keeps the start's values at both ends
  free,   ///< then dF/df' = 0 there, the natural boundary condition
};

/// Minimizes integrate_functional() over f by L-BFGS, from a start. It finds a local minimum.
/// @param x double, increasing, [n], n >= 3 @param start double, [n]
/// @throws InvalidArgument for other shapes or types, or an integral that is not finite at the
/// start
FunctionalMinimum minimize_functional(const Integrand& integrand, const Tensor& x,
                                      const Tensor& start, Ends ends = Ends::fixed);

}  // namespace partita
