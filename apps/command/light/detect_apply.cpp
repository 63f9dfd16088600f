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
  DetectionFileOptions files;
  CommonOptions common;
  std::string output;
};

/// A file of the command line must have the shape of what the threshold was made with.
void check_shape(const std::optional<Rows>& given, const std::optional<Shape>& expected,
                 const std::string& file, const char* what, const std::string& threshold) {
  if (!given || !expected) return;
  const auto [rows, columns] = *expected;
  if (given->rows() == rows && given->columns() == columns) return;
  throw DataError(file,
                  fmt::format("shape ({}, {}), expected ({}, {}): the {} that {} was made with",
                              given->rows(), given->columns(), rows, columns, what, threshold));
}

/// The score of the threshold, with the files of the command line.
ScoreOptions score_of(const Threshold& threshold, const ApplyThresholdOptions& options) {
  ScoreOptions score = threshold.score;
  score.files = options.files;
  if (threshold.layer && options.files.weight.empty()) {
    throw InvalidArgument(
        "--weight", fmt::format("required: {} was made with a last layer", options.threshold));
  }
  if (!threshold.layer && !options.files.weight.empty()) {
    throw InvalidArgument(
        "--weight", fmt::format("not used: {} was made without a last layer", options.threshold));
  }
  return score;
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
  const ScoreOptions score = score_of(threshold, options);
  const DetectionFiles files = files_for(score, options.common.threads);
  const KnownInputs known = files.known();
  check_shape(known.rows, threshold.features, options.files.features, "features",
              options.threshold);
  if (known.layer) {
    check_shape(known.layer->weight, threshold.layer, options.files.weight, "layer",
                options.threshold);
  }
  const Scorer scorer(score, files, options.common.threads);
  const ScoredInput input(options.files.probabilities, options.logits, options.common.threads);
  if (score.of_logits() && threshold.columns != 0 && input.rows().columns() != threshold.columns) {
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
  add_score_files(*command, options->files);
  add_feature_labels(*command, options->files);
  add_common(*command, options->common);
  add_output(
      *command, options->output,
      "for each row its score, and 1 if it is in, else 0: .csv, or .npy of float64 (rows, 2)",
      {".csv", ".npy"});
  command->footer(
      "Example:\n"
      "  partita detect apply threshold.json logits.npy -o marks.csv --json\n"
      "\n"
      "A threshold of a score that learns from training features or scores by a last layer needs\n"
      "the files that it was made with. --seed changes nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
