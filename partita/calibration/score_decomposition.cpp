// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/score_decomposition.hpp"

#include <cmath>
#include <vector>

#include "partita/calibration/isotonic.hpp"

namespace partita {

namespace {

template <class Score>
ScoreDecomposition decompose(const Confidences& rows, const Score& score) {
  rows.check(/*probabilities=*/true);
  const std::vector<double> outcome(rows.right.begin(), rows.right.end());
  const IsotonicCurve recalibrated = fit_isotonic(rows.confidence, outcome);
  const auto n = static_cast<double>(rows.rows());
  double accuracy = 0;
  for (const double y : outcome) accuracy += y / n;
  double given = 0;
  double best = 0;
  double uncertainty = 0;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    given += score(rows.confidence[r], outcome[r]) / n;
    best += score(recalibrated(rows.confidence[r]), outcome[r]) / n;
    uncertainty += score(accuracy, outcome[r]) / n;
  }
  return {given, given - best, uncertainty - best, uncertainty};
}

}  // namespace

ScoreDecomposition decompose_brier(const Confidences& confidences) {
  return decompose(confidences, [](double c, double y) { return (c - y) * (c - y); });
}

ScoreDecomposition decompose_nll(const Confidences& confidences) {
  return decompose(confidences,
                   [](double c, double y) { return y == 1 ? -std::log(c) : -std::log1p(-c); });
}

}  // namespace partita
