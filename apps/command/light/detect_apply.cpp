// partita detect apply: marks the rows that a threshold accepts.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/light/detect.hpp"
#include "apps/command/light/detect_threshold.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"

namespace partita::app {
namespace {

struct ApplyThresholdOptions {
  std::string threshold;
  std::string logits;
  ScoreOptions inputs;  // its files; the threshold has the rest
  CommonOptions common;
  std::string output;
};

std::string ending(const std::string& path) {
  return std::filesystem::path(path).extension().string();
}

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

void save_csv(const std::string& path, std::span<const double> scores, double threshold) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "score,in\n");
  for (const double score : scores) {
    fmt::format_to(std::back_inserter(text), "{},{}\n", score, score >= threshold ? 1 : 0);
  }
  write_file(path, {text.data(), text.size()});
}

void save(const std::string& path, std::span<const double> scores, double threshold) {
  if (ending(path) == ".csv") return save_csv(path, scores, threshold);
  std::vector<double> table;
  for (const double score : scores) {
    table.push_back(score);
    table.push_back(score >= threshold ? 1 : 0);
  }
  save_npy(path, std::span<const double>(table), scores.size(), 2);
}

void run(const ApplyThresholdOptions& options) {
  if (!options.output.empty() && ending(options.output) != ".npy" &&
      ending(options.output) != ".csv") {
    throw InvalidArgument("-o", "expected a name that ends in .npy or .csv, got " + options.output);
  }
  const Threshold threshold = read_threshold(options.threshold);
  const ScoreOptions score = score_of(threshold, options.inputs);
  const Scorer scorer(score, options.common.threads);
  check_training(scorer, threshold, options);
  const LogitsInput input(
      {.logits = options.logits, .labels = {}, .probabilities = score.probabilities},
      options.common.threads);
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
    print(fmt::format("{} of {} rows are in, {} out ({} >= {:.10g})\n", grouped(in),
                      grouped(scores.size()), grouped(scores.size() - in), score.name(),
                      threshold.threshold));
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
      "for each row its score, and 1 if it is in, else 0: .csv, or .npy of float64 (rows, 2)");
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
