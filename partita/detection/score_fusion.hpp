// SPDX-License-Identifier: Apache-2.0
// Several scores of unknown inputs as one: the log odds that a row is known, by logistic
// regression. Scores that look at different things, such as the logits and where features lie, know
// more together.
//
//   const std::vector<partita::ScoredSides> sides = {{energy_in, energy_out}, {vim_in, vim_out}};
//   const auto fusion = partita::fit_score_fusion(sides);      // on validation rows
//   const std::vector<std::span<const double>> scores = {energies, vims};
//   std::vector<double> log_odds = partita::fused_scores(fusion, scores);   // larger where known
#pragma once

#include <span>
#include <vector>

#include "partita/detection/detection_metrics.hpp"

namespace partita {

/// log(P(known) / P(unknown)) = bias + sum of weights[i] * the i-th score, where as many rows are
/// known as unknown.
struct ScoreFusion {
  std::vector<double> weights;
  double bias = 0;
};

/// By maximum likelihood with Platt's targets, (n + 1) / (n + 2) for n known rows and 1 / (m + 2)
/// for m unknown ones, so that scores that tell all of them apart have weights as well.
/// @param detectors one or more, whose i-th scores belong to the same row; of rows that no score
///        has learned from
/// @throws InvalidArgument if there are none, if they differ in rows, or if a score is not finite,
///         the same for all rows, or a sum of others
ScoreFusion fit_score_fusion(std::span<const ScoredSides> detectors);

/// The log odds of each row.
/// @param scores of each detector, in the order of the fit
/// @throws InvalidArgument unless they are as many as weights, of as many rows
std::vector<double> fused_scores(const ScoreFusion& fusion,
                                 std::span<const std::span<const double>> scores);

}  // namespace partita
