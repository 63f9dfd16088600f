// SPDX-License-Identifier: Apache-2.0
// partita detect apply: marks the rows that a threshold accepts.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/light/detect.hpp"
#include "apps/command/light/detect_threshold.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/io/array_file.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

struct ApplyThresholdOptions {
  std::string threshold;
  std::string logits;
  ScoreOptions inputs;  // its files; the threshold has the rest
  CommonOptions common;
  std::string output;
};

/// The score of the threshold, with the files of the command line.
ScoreOptions score_of(const Threshold& threshold, const ScoreOptions& inputs) {
  ScoreOptions score = threshold.score;
  score.probabilities = inputs.probabilities;
  score.features = inputs.features;
  score.labels = inputs.labels;
  return score;
}

void check_training(const Scorer& scorer, const Threshold& threshold,
                    const ApplyThresholdOptions& options) {
  const auto training = scorer.training();
  if (!training || !threshold.features) return;
  const auto [rows, columns] = *threshold.features;
  if (training->rows() != rows || training->columns() != columns) {
    throw DataError(
        options.inputs.features,
        fmt::format("shape ({}, {}), expected ({}, {}): the features that {} was made "
                    "with",
                    training->rows(), training->columns(), rows, columns, options.threshold));
  }
}

void save(const std::string& path, std::span<const double> scores, double threshold) {
  std::vector<double> table;
  for (const double score : scores) {
    table.push_back(score);
    table.push_back(score >= threshold ? 1 : 0);
  }
  save_array(path, std::span<const double>(table), scores.size(), 2, "score,in");
}

void run(const ApplyThresholdOptions& options) {
  const Threshold threshold = read_threshold(options.threshold);
  const ScoreOptions score = score_of(threshold, options.inputs);
  const Scorer scorer(score, options.common.threads);
  check_training(scorer, threshold, options);
  const ScoredInput input(score, options.logits, options.common.threads);
  if (!score.of_features() && threshold.columns != 0 &&
      input.rows().columns() != threshold.columns) {
    throw DataError(options.logits,
                    fmt::format("{} columns, expected {} as {} was made with",
                                input.rows().columns(), threshold.columns, options.threshold));
  }
  const std::vector<double> scores = scorer.scores(input.rows(), options.logits);
  const auto in = static_cast<std::size_t>(std::count_if(
      scores.begin(), scores.end(), [&](double s) { return s >= threshold.threshold; }));
  if (!options.output.empty()) save(options.output, scores, threshold.threshold);
  if (options.common.json) {
    Json json = {{"rows", scores.size()}, {"in", in}, {"out", scores.size() - in}};
    json.update(score_json(score));
    json["threshold"] = threshold.threshold;
    json["output"] = options.output;
    print_json(json);
  } else {
    print(fmt::format("{} of {} in, {} out ({} >= {:.10g})\n", grouped(in),
                      counted(scores.size(), "row is", "rows are"), grouped(scores.size() - in),
                      score.name(), threshold.threshold));
  }
  if (!options.output.empty()) note("wrote " + options.output);
}

}  // namespace

void add_detect_apply(CLI::App& app) {
  auto* command = app.add_subcommand("apply", "Mark the rows that a threshold accepts");
  auto options = std::make_shared<ApplyThresholdOptions>();
  command->add_option("THRESHOLD", options->threshold, "written by partita detect threshold")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("LOGITS", options->logits,
                   "logits (or features): .npy, .npz, .safetensors or .csv; an array in a file "
                   "as FILE:ARRAY")
      ->option_text("FILE")
      ->required();
  add_score_inputs(*command, options->inputs);
  command
      ->add_option("--labels", options->inputs.labels,
                   "classes of --features, for mahalanobis: integers")
      ->option_text("FILE");
  add_common(*command, options->common);
  add_output(
      *command, options->output,
      "for each row its score, and 1 if it is in, else 0: .csv, or .npy of float64 (rows, 2)",
      {".csv", ".npy"});
  command->footer(
      "Example:\n"
      "  partita detect apply threshold.json logits.npy -o marks.csv --json\n"
      "\n"
      "A threshold of mahalanobis or knn needs the training features that it was made with. "
      "--seed\n"
      "changes nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
