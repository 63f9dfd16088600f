// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/bins.hpp"

#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

double rounded(double value, DType precision) {
  if (precision == DType::f64) return value;
  return visit(precision, [&]<Element T>(T) {
    return static_cast<double>(static_cast<float>(T(static_cast<float>(value))));
  });
}

}  // namespace

std::size_t Bins::search(double p, DType precision, std::size_t b) const {
  while (b + 1 < size() && p > upper[b]) ++b;
  while (b > 0 && p <= rounded(upper[b - 1], precision)) --b;
  return b;
}

Bins equal_width_bins(std::size_t count) {
  check_at_least("bins", count, 1);
  Bins bins;
  for (std::size_t b = 1; b <= count; ++b) {
    bins.upper.push_back(static_cast<double>(b) / static_cast<double>(count));
  }
  return bins;
}

Bins equal_mass_bins(std::span<const double> sorted, std::size_t count) {
  check_at_least("bins", count, 1);
  check_at_least("values", sorted.size(), 1);
  Bins bins;
  for (std::size_t b = 1; b < count; ++b) {
    const std::size_t rank = (sorted.size() * b + count - 1) / count;
    bins.upper.push_back(sorted[std::max<std::size_t>(rank, 1) - 1]);
  }
  bins.upper.push_back(1);
  return bins;
}

}  // namespace partita
