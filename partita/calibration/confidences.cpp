// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/confidences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/distribution_row.hpp"

namespace partita {

void Confidences::check(bool probabilities) const {
  check_at_least("confidence", confidence.size(), 1, "rows");
  check_size("right", right.size(), confidence.size(), "one for each row");
  for (std::size_t r = 0; r < rows(); ++r) {
    const double c = confidence[r];
    if (std::isnan(c) || (probabilities && !(c >= 0 && c <= 1))) {
      throw InvalidArgument("confidence",
                            fmt::format("row {}: expected {}, got {:g}", r,
                                        probabilities ? "a probability" : "a number", c));
    }
    if (right[r] > 1) {
      throw InvalidArgument("right", fmt::format("row {}: expected 0 or 1, got {}", r, right[r]));
    }
  }
}

Confidences confidences_of(const Predictions& predictions, std::span<const std::int64_t> labels,
                           const Calibrator* calibrator, int threads) {
  check_labels(predictions.rows, labels);
  const std::size_t rows = predictions.rows.rows();
  Confidences out{std::vector<double>(rows), std::vector<std::uint8_t>(rows)};
  for_each_row<DistributionRow>(rows, {.threads = threads},
                                [&](std::size_t r, DistributionRow& row) {
                                  read_row(predictions, r, calibrator, row);
                                  const JudgedRow judged = judge(row, labels[r]);
                                  out.confidence[r] = std::min(1.0, judged.confidence);
                                  out.right[r] = static_cast<std::uint8_t>(judged.right);
                                });
  return out;
}

}  // namespace partita
