// SPDX-License-Identifier: Apache-2.0
// A quantile of numbers in memory. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

namespace partita {

/// Linearly interpolated (Hyndman and Fan 1996, type 7, like NumPy's); NaN if there are no numbers.
/// @param sorted ascending
/// @param p      in [0, 1]
inline double quantile(std::span<const double> sorted, double p) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = at - static_cast<double>(below);
  if (sorted[below] == sorted[above]) return sorted[below];  // both may be infinite
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

}  // namespace partita
