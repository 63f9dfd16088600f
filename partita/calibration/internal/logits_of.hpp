// SPDX-License-Identifier: Apache-2.0
// Predictions as logits or as logarithms of probabilities. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/predictions.hpp"

namespace partita {

/// [rows, K]: what read(r, row) leaves in the log_prob() of each row.
template <class Read>
std::vector<double> log_rows(const Predictions& predictions, int threads, const Read& read) {
  const std::size_t classes = predictions.rows.columns();
  std::vector<double> out(predictions.rows.rows() * classes);
  for_each_row<DistributionRow>(
      predictions.rows.rows(), {.threads = threads}, [&](std::size_t r, DistributionRow& row) {
        read(r, row);
        std::copy(row.log_prob().begin(), row.log_prob().end(), &out[r * classes]);
      });
  return out;
}

/// The logits themselves, or the logarithms of probabilities.
class LogitsOf {
 public:
  /// @param finite whether a probability of 0 counts as least_probability()
  LogitsOf(const Predictions& predictions, bool finite, int threads) : rows_(predictions.rows) {
    if (!predictions.are_probabilities) return;
    memory_ = log_rows(predictions, threads, [&](std::size_t r, DistributionRow& row) {
      row.read_logits(predictions, r);
      if (finite) row.clip_zeros(predictions.precision());
    });
    rows_ = {memory_.data(), rows_.rows(), rows_.columns()};
  }

  Rows rows() const { return rows_; }

 private:
  Rows rows_;
  std::vector<double> memory_ = {};
};

}  // namespace partita
