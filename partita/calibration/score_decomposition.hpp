// SPDX-License-Identifier: Apache-2.0
// What makes up a score of confidences: how far they are from calibrated, and what they know
// (Dimitriadis, Gneiting, Jordan, "Stable reliability diagrams for probabilistic classifiers",
// PNAS 2021; the terms are those of Murphy 1973).
//
//   const auto brier = partita::decompose_brier(partita::confidences_of(logits, labels));
//   brier.score == brier.reliability - brier.resolution + brier.uncertainty;
//
// Bins would make the terms depend on them, and the sum inexact. Here the recalibrated confidences
// are those of isotonic regression on the same rows.
#pragma once

#include "partita/calibration/confidences.hpp"

namespace partita {

/// score = reliability - resolution + uncertainty, up to rounding; none of them is negative.
struct ScoreDecomposition {
  double score;        ///< mean over rows, of confidence c and outcome y (1 if right)
  double reliability;  ///< what recalibration takes off: 0 if calibrated (miscalibration)
  double resolution;   ///< what recalibrated confidences have over their mean (discrimination)
  double uncertainty;  ///< score of the accuracy as every row's confidence
};

/// Of (c - y)^2.
/// @throws InvalidArgument as Confidences::check, of probabilities
ScoreDecomposition decompose_brier(const Confidences& confidences);

/// Of -y log c - (1 - y) log(1 - c), in nats. Score and reliability are infinite if a row of
/// confidence 1 is wrong.
/// @throws InvalidArgument as above
ScoreDecomposition decompose_nll(const Confidences& confidences);

}  // namespace partita
