// SPDX-License-Identifier: Apache-2.0
// What all of `partita detect` does first: a score for each row of a file of logits or features.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/rows.hpp"
#include "partita/detection/detector.hpp"
#include "partita/io/array_file.hpp"

namespace partita::app {

/// The files that scores learn from, and what the other files hold.
struct DetectionFileOptions {
  bool probabilities = false;  // the other files hold these, not logits
  std::string features;        // in training
  std::string labels;          // their classes
  std::string weight;          // of the last layer: the other files hold features
  std::string bias;
};

struct ScoreOptions {
  DetectionScore score = DetectionScore::msp;
  DetectorOptions settings = {};
  DetectionFileOptions files = {};

  /// As --score takes it: "max-logit".
  std::string name() const { return std::string(name_of(score)); }
  /// Whether it is one of logits alone, whatever it makes them of.
  bool of_logits() const;
};

/// What --score takes.
std::vector<std::string> score_names();

/// Whether a score is one of features, with or without a layer.
bool of_features(DetectionScore score);

/// --in, rows that are known
CLI::Option* add_in(CLI::App& app, std::string& path);
/// --out, rows that are not
CLI::Option* add_out(CLI::App& app, std::string& path);
/// --score
void add_score(CLI::App& app, ScoreOptions& options);
/// What scores can be told: --temperature, --gamma, --largest, --tail, --percentile, -k,
/// --dimension, --shrinkage
void add_score_settings(CLI::App& app, DetectorOptions& options);
/// --probabilities, --features, --weight, --bias
void add_score_files(CLI::App& app, DetectionFileOptions& options);
/// --labels, for commands that take no other labels
void add_feature_labels(CLI::App& app, DetectionFileOptions& options);

/// The score that a threshold belongs to, with its settings.
Json score_json(const ScoreOptions& options);
/// The reverse. @throws nlohmann::json::exception, InvalidArgument
ScoreOptions score_from_json(const Json& json);

/// The rows of a file that are to be scored: features or own scores as they are, logits, or the
/// logarithms of probabilities, of which one column is class 1 of two.
class ScoredInput {
 public:
  /// @throws IoError; DataError as PredictionsInput
  ScoredInput(bool probabilities, const std::string& path, int threads)
      : input_({.logits = path, .labels = {}, .probabilities = probabilities}, threads,
               probabilities ? OneColumn::two_classes : OneColumn::score),
        rows_(input_.logits()) {}

  Rows rows() const { return rows_; }

 private:
  PredictionsInput input_;
  Rows rows_;
};

/// What the files hold. Scorers look into it: it must outlive them.
class DetectionFiles {
 public:
  /// @throws IoError, DataError
  DetectionFiles(const DetectionFileOptions& options, int threads);

  KnownInputs known() const;

 private:
  std::optional<ScoredInput> features_;
  std::vector<std::int64_t> labels_;
  std::optional<ArrayFile> weight_;
  std::vector<double> bias_;
};

/// @throws InvalidArgument naming the option of a file that is missing, or that the score does not
/// use
void check_files(const ScoreOptions& options);

/// The files that a score needs.
/// @throws InvalidArgument naming the option, if there are too many or too few; IoError, DataError
DetectionFiles files_for(const ScoreOptions& options, int threads);

/// Scores rows, larger where they look like training. Learns what must be learned once.
class Scorer {
 public:
  /// @throws InvalidArgument naming an option out of its range; DataError naming the file
  Scorer(const ScoreOptions& options, const DetectionFiles& files, int threads);

  /// @param name of the rows' file
  /// @throws DataError naming the file and the first bad row
  std::vector<double> scores(Rows rows, const std::string& name) const;

 private:
  void check_columns(Rows rows, const std::string& name) const;

  ScoreOptions options_;
  KnownInputs known_;
  int threads_;
  Detector detector_;
};

}  // namespace partita::app
