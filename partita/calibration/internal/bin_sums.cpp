// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/bin_sums.hpp"

#include <algorithm>

namespace partita {

std::vector<BinSum> sum_equal_mass(const RowGroups& groups, std::size_t n, std::size_t bins,
                                   std::span<const std::uint32_t> counts) {
  std::vector<BinSum> sums(bins);
  std::size_t b = 0;
  double seen = 0;
  std::size_t g = 0;
  const auto end = [&] {
    const std::size_t rounded_up = (n * (b + 1) + bins - 1) / bins;
    return static_cast<double>(rounded_up);
  };
  for (const RowGroups::Part& part : groups.parts) {
    BinSum sum;
    for (; g < part.end; ++g) {
      sum.add(counts[g], groups.means[g].confidence, groups.means[g].right);
    }
    if (sum.count == 0) continue;
    while (b + 1 < bins && seen >= end()) ++b;
    double left = sum.count;
    while (!part.tied && b + 1 < bins && seen + left > end()) {
      const double here = end() - seen;
      sums[b++].add_some(here, sum);
      seen += here;
      left -= here;
    }
    sums[b].add_some(left, sum);
    seen += left;
  }
  return sums;
}

double ece_of(std::span<const BinSum> sums, double rows) {
  double total = 0;
  for (const BinSum& sum : sums) total += sum.gap();
  return total / rows;
}

double mce_of(std::span<const BinSum> sums) {
  double most = 0;
  for (const BinSum& sum : sums) {
    if (sum.count > 0) most = std::max(most, sum.gap() / sum.count);
  }
  return most;
}

double debiased_ece_of(std::span<const BinSum> sums, double rows) {
  double total = 0;
  for (const BinSum& sum : sums) {
    if (sum.count < 2) continue;
    const double accuracy = sum.right / sum.count;
    const double gap = sum.gap() / sum.count;
    total += sum.count * (gap * gap - accuracy * (1 - accuracy) / (sum.count - 1));
  }
  return std::sqrt(std::max(0.0, total / rows));
}

}  // namespace partita
