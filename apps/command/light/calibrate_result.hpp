// SPDX-License-Identifier: Apache-2.0
// What `partita calibrate fit` and `evaluate` found, as text, as JSON and as a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/command/terminal.hpp"
#include "apps/report/page.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/nll_curve.hpp"
#include "partita/calibration/risk_coverage.hpp"
#include "partita/calibration/score_decomposition.hpp"
#include "partita/calibration/smooth_ece.hpp"

namespace partita::app {

/// What is said of a row's confidence and whether it was right, without bins.
struct ConfidenceMeasures {
  SmoothEce smooth_ece;
  std::optional<double> p_value = {};  ///< of calibration_test, unless there are no resamples
  RiskCoverage risk_coverage;
  ScoreDecomposition brier;
  ScoreDecomposition nll;
  std::optional<KernelDiagram> diagram = {};  ///< for a report
};

struct MeasuredCalibration : CalibrationEvaluation {
  std::optional<ConfidenceMeasures> confidence = {};
};

struct CalibrationResult {
  std::string logits;   ///< name of the file
  std::string preface;  ///< what a reader of the report should know first
  bool split = false;   ///< the rows evaluated are not those fitted
  std::size_t fitted_rows = 0;
  std::size_t evaluated_rows = 0;
  std::size_t classes = 0;
  std::size_t resamples = 0;
  std::uint64_t seed = 0;
  std::optional<CalibratorFit> fit;  ///< set by `fit`
  MeasuredCalibration before;        ///< the only evaluation of `evaluate`
  std::optional<MeasuredCalibration> after;
  NllCurve curve;  ///< for temperature scaling's report
};

Json metrics_json(const MeasuredCalibration& evaluation);
/// @param evaluation with intervals
Json intervals_json(const MeasuredCalibration& evaluation);
Json bins_json(const CalibrationEvaluation& evaluation);
/// Empty if there is nothing wrong; else why there is no calibrator.
std::string explain(FitStatus status);

std::string result_text(const CalibrationResult& result);
Table metrics_table(const CalibrationResult& result);
std::string calibration_report(const CalibrationResult& result);

}  // namespace partita::app
