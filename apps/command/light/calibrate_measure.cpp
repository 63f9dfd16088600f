// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/calibrate_measure.hpp"

#include <fmt/format.h>

#include <cmath>

#include "apps/command/terminal.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

void add_measure(CLI::App& app, MeasureOptions& options, const std::string& also) {
  app.add_option("--bins", options.bins, "bins of the calibration errors" + also + " (15)")
      ->option_text("N")
      ->check(whole_number(1, 100'000));
  app.add_flag("--equal-mass", options.equal_mass,
               "bins that hold equally many rows instead of having equal widths");
  app.add_option("--resamples", options.resamples,
                 "resamples for bootstrap intervals (1000; 0: none)")
      ->option_text("N")
      ->check(CLI::Validator(
          [](std::string& text) {
            return text == "0" ? std::string() : whole_number(2, 1'000'000)(text);
          },
          "N"));
}

void add_odir(CLI::App& app, OdirPenalty& penalty) {
  app.add_option("--off-diagonal", penalty.off_diagonal,
                 "dirichlet: weight of the squares off its matrix's diagonal, their mean added to "
                 "the NLL (1)")
      ->option_text("X")
      ->check(number("[0, inf)"));
  app.add_option("--intercept", penalty.intercept, "dirichlet: of the squares of its bias (1)")
      ->option_text("X")
      ->check(number("[0, inf)"));
}

namespace {

CalibrationEvaluation evaluate(const Predictions& predictions, std::span<const std::int64_t> labels,
                               const MeasureOptions& measure, const CommonOptions& common,
                               const Calibrator* calibrator, Group& group) {
  const CalibrationBins bins{.bins = measure.bins, .equal_mass = measure.equal_mass};
  if (group.size() > 1 || measure.resamples == 0) {
    return evaluate_calibration(predictions, labels, group, bins, calibrator, common.threads);
  }
  return evaluate_calibration(predictions, labels, Stream{.seed = common.seed}.child(kResamples),
                              {.resamples = measure.resamples, .threads = common.threads}, bins,
                              calibrator);
}

/// What smooth calibration errors, risks and scores say of the confidences.
ConfidenceMeasures measure_confidences(const Confidences& rows, const MeasureOptions& options,
                                       const CommonOptions& common) {
  ConfidenceMeasures out{.smooth_ece = smooth_ece(rows),
                         .risk_coverage = risk_coverage(rows),
                         .brier = decompose_brier(rows),
                         .nll = decompose_nll(rows)};
  if (options.resamples == 0) return out;
  const Stream stream = Stream{.seed = common.seed}.child(kSmooth);
  const BootstrapOptions bootstrap{.resamples = options.resamples, .threads = common.threads};
  out.p_value = calibration_test(rows, stream.child(0), options.resamples, common.threads).p_value;
  if (!options.report.empty()) out.diagram = kernel_diagram(rows, stream.child(1), bootstrap);
  return out;
}

}  // namespace

MeasuredCalibration measure(const Predictions& predictions, std::span<const std::int64_t> labels,
                            const MeasureOptions& options, const CommonOptions& common,
                            const Calibrator* calibrator, Group& group) {
  MeasuredCalibration out{evaluate(predictions, labels, options, common, calibrator, group)};
  if (group.size() == 1) {
    out.confidence = measure_confidences(
        confidences_of(predictions, labels, calibrator, common.threads), options, common);
  }
  return out;
}

void note_infinite(const CalibrationEvaluation& evaluation, std::string_view what) {
  if (!std::isinf(evaluation.metrics.nll)) return;
  note(fmt::format("partita: warning: nll{} is infinite: some label has probability 0", what));
}

}  // namespace partita::app
