// SPDX-License-Identifier: Apache-2.0
// Rows in the order of their confidence, one by one or in groups: what calibration metrics and
// their resamples are computed from. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/calibration/internal/distribution_row.hpp"

namespace partita {

/// What the metrics of a row's prediction need.
struct Prediction : JudgedRow {
  std::size_t bin;  // of confidence, among those of equal width
};

/// By confidence, and the wrong before the right.
std::vector<Prediction> sorted(const std::vector<Prediction>& rows);

/// Rows with nearly the same confidence, all of them right, wrong or given no probability, in place
/// of many: each has the means of its rows.
struct RowGroups {
  std::vector<Prediction> means;
  std::vector<std::uint32_t> sizes;
  std::vector<double> nll_variance;
  std::vector<double> brier_variance;

  /// Divides sorted rows into 512 parts and at the edges of bins.
  explicit RowGroups(std::span<const Prediction> sorted);
};

}  // namespace partita
