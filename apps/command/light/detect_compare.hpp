// SPDX-License-Identifier: Apache-2.0
// What `partita detect compare` finds, and how it is reported.
#pragma once

#include <string>
#include <vector>

#include "apps/command/light/detect_score.hpp"
#include "apps/command/options.hpp"
#include "partita/detection/detection_metrics.hpp"

namespace partita::app {

struct CompareDetectionOptions {
  std::string in;
  std::string out;
  DetectorOptions settings;
  DetectionFileOptions files;
  Positive positive = Positive::in;
  std::size_t resamples = 1000;
  std::string report;
  CommonOptions common;

  ScoreOptions of(DetectionScore score) const {
    return {.score = score, .settings = settings, .files = files};
  }
};

struct RankedDetector {
  DetectionScore score;
  std::vector<double> in;  // scores
  std::vector<double> out;
  ComparedDetector compared = {};

  /// Whether what sets the best apart from it may be chance.
  bool may_be_best() const { return compared.auroc_less_best.high >= 0; }
};

struct DetectionComparison {
  std::vector<RankedDetector> detectors;  // the largest AUROC first
  struct LeftOut {
    DetectionScore score;
    std::string reason;
  };
  std::vector<LeftOut> left_out;  // what the files do not suit

  /// "vim is best" and which others may be as good.
  std::string verdict() const;
};

/// An HTML page: the ranking as a table and a figure, ROC curves of the first.
std::string report_html(const DetectionComparison& result, const CompareDetectionOptions& options);

}  // namespace partita::app
