// SPDX-License-Identifier: Apache-2.0
// Bins of probabilities, as calibration errors and histogram binning use them: (lo, hi], with 0 in
// the first and 1 in the last.
//
//   partita::Bins bins = partita::equal_width_bins(15);
//   bins.of(0.2);                        // 2: (2/15, 3/15]
//   bins.of(0.2F, partita::DType::f32);  // 2, although 0.2F > 3/15
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

/// Bin b holds values above upper[b - 1] and up to upper[b]; some bins may be empty.
struct Bins {
  std::vector<double> upper;  ///< ascending; the last is 1

  std::size_t size() const { return upper.size(); }
  double lower(std::size_t b) const { return b == 0 ? 0 : upper[b - 1]; }

  /// The bin of a probability; a value that rounding put above 1 is in the last. Edges are rounded
  /// to the precision in which the probability was computed, so that k/n computed there is in the
  /// bin that k/n ends.
  std::size_t of(double p, DType precision = DType::f64) const {
    // Where bins are of equal width the guess is right, or one off by rounding.
    const auto count = static_cast<double>(size());
    const auto b = static_cast<std::size_t>(std::clamp(p * count, 0.0, count - 1));
    const bool inside = precision == DType::f64 && p > lower(b) && p <= upper[b];
    return inside ? b : search(p, precision, b);
  }

 private:
  std::size_t search(double p, DType precision, std::size_t b) const;
};

/// b / count. @throws InvalidArgument if count = 0
Bins equal_width_bins(std::size_t count);

/// Bins that hold the same number of the values, or nearly: bin b ends at the value of rank
/// ceil(n (b + 1) / count). Equal values share a bin, whatever their order.
/// @param sorted ascending. @throws InvalidArgument if count = 0 or there are no values
Bins equal_mass_bins(std::span<const double> sorted, std::size_t count);

}  // namespace partita
