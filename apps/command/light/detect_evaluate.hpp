// SPDX-License-Identifier: Apache-2.0
// What `partita detect evaluate` finds, and how it is reported.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/command/light/detect_score.hpp"
#include "apps/command/options.hpp"
#include "partita/detection/detection_metrics.hpp"

namespace partita::app {

inline constexpr auto kPositives = names<Positive>({{"in", Positive::in}, {"out", Positive::out}});

/// --positive
void add_positive(CLI::App& app, Positive& positive);

struct EvaluateDetectionOptions {
  std::string in;
  std::string out;
  std::string
      logits;  // instead of both: rows that are classified correctly, and those that are not
  ScoreOptions score;
  Positive positive = Positive::in;
  std::size_t resamples = 1000;
  std::string report;
  CommonOptions common;
};

struct DetectionResult {
  std::vector<double> in;  // scores, of this process
  std::vector<double> out;
  std::size_t all_in = 0;  // how many, of all
  std::size_t all_out = 0;
  DetectionMetrics metrics = {};
  std::optional<DetectionIntervals> intervals = {};  // of one process, unless resamples = 0
};

inline constexpr double kIntervalLevel = 0.95;

/// The figures in the order in which they are reported.
struct NamedFigure {
  const char* key;  // "auroc"
  double value;
  std::optional<Interval> interval;
};
std::vector<NamedFigure> named_figures(const DetectionMetrics& metrics,
                                       const std::optional<DetectionIntervals>& intervals);
/// Their ends, by name.
Json intervals_json(const DetectionIntervals& intervals, std::size_t resamples);

/// An HTML page: the figures, ROC and precision-recall curves, histograms of the scores.
std::string report_html(const DetectionResult& result, const EvaluateDetectionOptions& options);

}  // namespace partita::app
