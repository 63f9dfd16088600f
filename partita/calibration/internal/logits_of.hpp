// SPDX-License-Identifier: Apache-2.0
// Predictions as logits. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/predictions.hpp"

namespace partita {

/// The logits themselves, or the logarithms of probabilities.
class LogitsOf {
 public:
  /// @param finite whether a probability of 0 counts as least_probability()
  LogitsOf(const Predictions& predictions, bool finite, int threads) : rows_(predictions.rows) {
    if (!predictions.are_probabilities) return;
    const std::size_t classes = rows_.columns();
    memory_.resize(rows_.rows() * classes);
    for_each_row<DistributionRow>(
        rows_.rows(), {.threads = threads}, [&](std::size_t r, DistributionRow& row) {
          row.read_logits(predictions, r);
          if (finite) row.clip_zeros(predictions.precision());
          std::copy(row.log_prob().begin(), row.log_prob().end(), &memory_[r * classes]);
        });
    rows_ = {memory_.data(), rows_.rows(), classes};
  }

  Rows rows() const { return rows_; }

 private:
  Rows rows_;
  std::vector<double> memory_ = {};
};

}  // namespace partita
