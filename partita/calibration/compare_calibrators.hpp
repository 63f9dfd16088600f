// SPDX-License-Identifier: Apache-2.0
// Which calibrator to use, by cross-validation: every row is calibrated by calibrators that were
// fitted without it, so that those with many parameters are not flattered.
//
//   for (const auto& each : partita::compare_calibrators(logits, labels, {.seed = 1})) {
//     if (each.nll_over_best.low <= 0) use(each.method);   // as good as the best, but for chance
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/smooth_ece.hpp"
#include "partita/random/bootstrap.hpp"
#include "partita/random/stream.hpp"

namespace partita {

struct ComparedCalibrator {
  std::optional<CalibrationMethod> method;  ///< none: probabilities as they are
  FitStatus status = FitStatus::converged;  ///< of the first fold without a fit, if there is one;
                                            ///< figures are then NaN
  double nll = 0;    ///< mean over all rows, held out; infinite if a label has probability 0
  double brier = 0;  ///< as in calibration_metrics.hpp
  double ece = 0;    ///< smooth_ece.hpp
  /// Of its mean NLL less that of the method whose NLL is least, over resamples of rows that all
  /// share: below 0 or around it, what sets the best apart may be chance. What fits to other rows
  /// would change is not in it.
  Interval nll_over_best = {};
};

struct CompareCalibratorsOptions {
  std::span<const CalibrationMethod> methods = calibration_methods();  ///< beside none
  std::size_t folds = 5;                                               ///< 2 to the number of rows
  CalibrationOptions calibration = {};
  BootstrapOptions bootstrap = {};  ///< its threads are those of the fits, too
};

/// No calibration, and every one of the methods that the number of classes allows, and logits of
/// -inf; the least NLL first, those without a fit last.
/// @param stream its child 0 deals rows to folds; resample r draws from child(1).child(r)
/// @throws InvalidArgument as fit_calibrator, or if an option is out of its range
std::vector<ComparedCalibrator> compare_calibrators(const Predictions& predictions,
                                                    std::span<const std::int64_t> labels,
                                                    const Stream& stream,
                                                    const CompareCalibratorsOptions& options = {});

}  // namespace partita
