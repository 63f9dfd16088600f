// SPDX-License-Identifier: Apache-2.0
// How sure a network was of each prediction, and whether it was right: all that smooth_ece,
// risk_coverage and the decompositions of scores look at.
//
//   const partita::Confidences c = partita::confidences_of(logits, labels);
//   partita::smooth_ece(c).value;
//   partita::risk_coverage(c).aurc;
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/predictions.hpp"

namespace partita {

/// Any scores will do where only their order counts (risk_coverage); elsewhere they are
/// probabilities.
struct Confidences {
  std::vector<double> confidence;   ///< of each row
  std::vector<std::uint8_t> right;  ///< 1 if its prediction was right, else 0

  std::size_t rows() const { return confidence.size(); }

  /// @throws InvalidArgument ("confidence" or "right") if there are no rows, if the sizes differ,
  ///         for NaN or anything but 0 and 1, and, of probabilities, outside [0, 1].
  void check(bool probabilities) const;
};

/// The largest probability of each row, and whether its class (the lowest of those that tie) is the
/// label.
/// @param labels     [n], in 0..K-1
/// @param calibrator if given, its probabilities count
/// @throws InvalidArgument as evaluate_calibration
Confidences confidences_of(const Predictions& predictions, std::span<const std::int64_t> labels,
                           const Calibrator* calibrator = nullptr, int threads = 1);

}  // namespace partita
