// SPDX-License-Identifier: Apache-2.0
// Rows chosen from predictions, with their labels, for a fit that must not see the others. Not
// installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/calibration/predictions.hpp"

namespace partita {

struct LabeledRows {
  std::vector<std::byte> memory;  // holds a copy; empty if the rows are someone else's
  std::vector<double> by;         // the same
  Predictions predictions;
  std::vector<std::int64_t> labels;
};

/// Copies rows, in the order in which they are chosen.
LabeledRows copy_rows(const Predictions& predictions, std::span<const std::int64_t> labels,
                      std::span<const std::size_t> chosen);

}  // namespace partita
