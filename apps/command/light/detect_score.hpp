// SPDX-License-Identifier: Apache-2.0
// What all of `partita detect` does first: a score for each row of a file of logits or features.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/names.hpp"
#include "partita/base/rows.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/io/array_file.hpp"

namespace partita::app {

enum class FeatureScore : std::uint8_t { mahalanobis, knn };

using DetectionScore = std::variant<LogitScore, FeatureScore>;

struct ScoreOptions {
  DetectionScore score = LogitScore::msp;
  double temperature = 1;      // for scores from logits
  bool probabilities = false;  // the files hold these, not logits
  std::string features;        // in training: what mahalanobis and knn compare with
  std::string labels;          // their classes, for mahalanobis
  std::size_t k = 50;
  std::optional<double> shrinkage;

  /// As --score takes it: "max-logit".
  const char* name() const;
  /// Whether the score is one of features.
  bool of_features() const;
};

/// --score, --temperature, -k, --shrinkage
void add_score(CLI::App& app, ScoreOptions& options);
/// --probabilities, --features
void add_score_inputs(CLI::App& app, ScoreOptions& options);

/// The score that a threshold belongs to, with its settings.
Json score_json(const ScoreOptions& options);
/// The reverse. @throws nlohmann::json::exception, InvalidArgument
ScoreOptions score_from_json(const Json& json);

/// The rows of a file that are to be scored: features or own scores as they are, logits, or the
/// logarithms of probabilities, of which one column is class 1 of two.
class ScoredInput {
 public:
  /// @throws IoError; DataError as PredictionsInput
  ScoredInput(const ScoreOptions& options, const std::string& path, int threads)
      : input_({.logits = path, .labels = {}, .probabilities = options.probabilities}, threads,
               options.probabilities ? OneColumn::two_classes : OneColumn::score),
        rows_(input_.logits()) {}

  Rows rows() const { return rows_; }

 private:
  PredictionsInput input_;
  Rows rows_;
};

/// Scores rows, larger where they look like training. Fits what must be fitted once.
class Scorer {
 public:
  /// @throws InvalidArgument if the options do not fit each other; IoError, DataError
  Scorer(const ScoreOptions& options, int threads);

  /// @param name of the rows' file
  /// @throws DataError naming the file and the first bad row
  std::vector<double> scores(Rows rows, const std::string& name) const;

  /// [rows, columns] of the training features; nothing for scores from logits.
  std::optional<Rows> training() const;

 private:
  std::vector<double> chunk_scores(Rows rows, const RowOptions& options) const;

  ScoreOptions options_;
  int threads_;
  std::optional<ArrayFile> features_;
  std::optional<Mahalanobis> mahalanobis_;
};

}  // namespace partita::app
