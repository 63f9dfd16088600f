// SPDX-License-Identifier: Apache-2.0
// Sums over the rows of bins, and the calibration errors that are made of them. Not installed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/calibration/internal/judged_rows.hpp"

namespace partita {

/// Sums over the rows of a bin.
struct BinSum {
  double count = 0;
  double confidence = 0;
  double right = 0;

  void add(double weight, double conf, double is_right) {
    count += weight;
    confidence += weight * conf;
    right += weight * is_right;
  }
  /// So many of its rows, or a share of each.
  void add_some(double some, const BinSum& of) {
    add(some, of.confidence / of.count, of.right / of.count);
  }
  BinSum& operator+=(const BinSum& other) {
    count += other.count;
    confidence += other.confidence;
    right += other.right;
    return *this;
  }
  /// n_b |acc_b - conf_b|
  double gap() const { return std::abs(right - confidence); }
};

/// The sums of bins, each row counted `count(i)` times.
/// @param ends where the rows of each bin end
template <class Count>
std::vector<BinSum> sum_bins(std::span<const JudgedRow> sorted, std::span<const std::size_t> ends,
                             const Count& count) {
  std::vector<BinSum> sums(ends.size());
  std::size_t i = 0;
  for (std::size_t b = 0; b < ends.size(); ++b) {
    for (; i < ends[b]; ++i) sums[b].add(count(i), sorted[i].confidence, sorted[i].right);
  }
  return sums;
}

/// Bins of equal mass of the rows as they are counted, n in all: see equal_mass_bins.
template <class Count>
std::vector<BinSum> sum_equal_mass(std::span<const JudgedRow> sorted, std::size_t n,
                                   std::size_t bins, const Count& count) {
  std::vector<BinSum> sums(bins);
  std::size_t b = 0;
  std::size_t seen = 0;  // how many rows come before
  double last = -1;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto weight = static_cast<std::size_t>(count(i));
    if (weight == 0) continue;
    // The bin ends with the value of rank ceil(n (b + 1) / bins).
    if (sorted[i].confidence != last) {
      while (b + 1 < bins && seen >= (n * (b + 1) + bins - 1) / bins) ++b;
    }
    last = sorted[i].confidence;
    sums[b].add(static_cast<double>(weight), last, sorted[i].right);
    seen += weight;
  }
  return sums;
}

/// The same of groups. A bin that ends inside a part has a share of each of its groups.
std::vector<BinSum> sum_equal_mass(const RowGroups& groups, std::size_t n, std::size_t bins,
                                   std::span<const std::uint32_t> counts);

// As calibration_metrics.hpp defines them.
double ece_of(std::span<const BinSum> sums, double rows);
double mce_of(std::span<const BinSum> sums);
double debiased_ece_of(std::span<const BinSum> sums, double rows);

}  // namespace partita
