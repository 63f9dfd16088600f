// SPDX-License-Identifier: Apache-2.0
// How the commands of `partita calibrate` measure, and what their options have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/light/calibrate_result.hpp"
#include "apps/command/options.hpp"
#include "partita/base/error.hpp"
#include "partita/base/group.hpp"
#include "partita/calibration/calibration_metrics.hpp"

namespace partita::app {

constexpr auto kCalibrationMethods =
    names<CalibrationMethod>({{"temperature", CalibrationMethod::temperature},
                              {"vector", CalibrationMethod::vector},
                              {"matrix", CalibrationMethod::matrix},
                              {"isotonic", CalibrationMethod::isotonic},
                              {"histogram", CalibrationMethod::histogram},
                              {"dirichlet", CalibrationMethod::dirichlet},
                              {"platt", CalibrationMethod::platt},
                              {"beta", CalibrationMethod::beta},
                              {"binned-temperature", CalibrationMethod::binned_temperature}});

/// The children of the seed's stream.
enum CalibratePurpose : std::uint64_t { kSplit, kResamples, kSmooth, kFolds, kSets, kSamples };

struct MeasureOptions {
  std::size_t bins = 15;
  bool equal_mass = false;
  std::size_t resamples = 1000;
  std::string report;
};

/// --bins, --equal-mass, --resamples. `also` says what else bins are of.
void add_measure(CLI::App& app, MeasureOptions& options, const std::string& also);

/// --off-diagonal, --intercept, of Dirichlet calibration
void add_odir(CLI::App& app, OdirPenalty& penalty);

/// Metrics and the measures of confidence, with intervals unless there are no resamples. Of the
/// rows of several processes, of which each gives its own, the metrics alone.
MeasuredCalibration measure(const Predictions& predictions, std::span<const std::int64_t> labels,
                            const MeasureOptions& options, const CommonOptions& common,
                            const Calibrator* calibrator = nullptr, Group& group = Group::alone());

/// Says on standard error that a likelihood is infinite.
void note_infinite(const CalibrationEvaluation& evaluation, std::string_view what);

/// Turns the library's complaint about an argument into one about its file.
template <class Work>
auto naming_files(const InputOptions& input, const Work& work) {
  try {
    return work();
  } catch (const InvalidArgument& error) {
    if (error.argument() == "by") throw DataError(input.by, error.reason());
    const std::string& file = error.argument() == "labels" ? input.labels : input.logits;
    if (error.argument() != "labels" && error.argument() != "logits" &&
        error.argument() != "probabilities") {
      throw;
    }
    throw DataError(file, error.reason());
  }
}

}  // namespace partita::app
