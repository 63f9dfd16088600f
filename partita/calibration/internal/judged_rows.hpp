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

/// By confidence, and the wrong before the right.
std::vector<JudgedRow> sorted(const std::vector<JudgedRow>& rows);

/// Rows with nearly the same confidence, all of them right, wrong or given no probability, in place
/// of many: each group has the means of its rows.
struct RowGroups {
  std::vector<JudgedRow> means;
  std::vector<std::uint32_t> sizes;
  std::vector<double> nll_variance;
  std::vector<double> brier_variance;

  /// Consecutive rows, and so up to three groups. Rows of the same confidence share a part.
  struct Part {
    std::size_t end;  // of its groups
    bool tied;        // all rows have the same confidence: many that do are a part of their own
  };
  std::vector<Part> parts;

  /// Divides sorted rows into some 128 parts, and where bins end.
  RowGroups(std::span<const JudgedRow> sorted, std::span<const std::size_t> bin_ends);

  std::vector<std::size_t> bin_ends;  // of their groups
};

}  // namespace partita
