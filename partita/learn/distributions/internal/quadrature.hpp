// SPDX-License-Identifier: Apache-2.0
// The Gauss-Legendre rule of 32 points. Internal.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

namespace partita::distributions {

struct Quadrature {
  static constexpr std::size_t kNodes = 32;
  std::array<double, kNodes> node;  ///< in [0, 1]
  std::array<double, kNodes> weight;
};

inline Quadrature gauss_legendre() {
  Quadrature rule{};
  for (std::size_t i = 0; i < Quadrature::kNodes; ++i) {
    // Newton's method for the zeros of the Legendre polynomial, by its recurrence (DLMF 18.9.2).
    constexpr auto kDegree = static_cast<double>(Quadrature::kNodes);
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (kDegree + 0.5));
    double slope = 0;
    for (int iteration = 0; iteration < 10; ++iteration) {
      double previous = 1;
      double value = x;
      for (double n = 2; n <= kDegree; ++n) {
        previous = std::exchange(value, ((2 * n - 1) * x * value - (n - 1) * previous) / n);
      }
      slope = kDegree * (x * value - previous) / (x * x - 1);
      x -= value / slope;
    }
    rule.node[i] = 0.5 * (1 - x);
    rule.weight[i] = 1 / ((1 - x * x) * slope * slope);
  }
  return rule;
}

/// Calls add(u, weight) at the rule's points of [0, length].
template <class Add>
void integrate(double length, const Add& add) {
  static const Quadrature kRule = gauss_legendre();
  for (std::size_t i = 0; i < Quadrature::kNodes; ++i) {
    add(kRule.node[i] * length, kRule.weight[i] * length);
  }
}

}  // namespace partita::distributions
