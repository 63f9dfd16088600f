// SPDX-License-Identifier: Apache-2.0
// partita detect threshold: the score that a given share of known inputs reaches.
#include "apps/command/light/detect_threshold.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/light/detect.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/whole_number.hpp"
#include "apps/report/shown.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/roc.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

constexpr const char* kFormat = "partita detection threshold";
constexpr int kVersion = 1;

struct ThresholdOptions {
  std::string in;
  ScoreOptions score;
  double tpr = 0.95;
  std::optional<double> alpha;
  CommonOptions common;
  std::string output;
};

Shape shape_of(Rows rows) { return {rows.rows(), rows.columns()}; }

Threshold find_threshold(const ThresholdOptions& options) {
  const DetectionFiles files = files_for(options.score, options.common.threads);
  const Scorer scorer(options.score, files, options.common.threads);
  const ScoredInput in(options.score.files.probabilities, options.in, options.common.threads);
  const std::vector<double> scores = scorer.scores(in.rows(), options.in);
  Threshold out{.score = options.score,
                .threshold = options.alpha
                                 ? conformal_threshold_of(scores, *options.alpha, options.in)
                                 : threshold_at_tpr(scores, options.tpr),
                .tpr = options.alpha ? 1 - *options.alpha : options.tpr,
                .alpha = options.alpha,
                .rows = scores.size(),
                .columns = in.rows().columns()};
  const auto accepted =
      std::count_if(scores.begin(), scores.end(), [&](double s) { return s >= out.threshold; });
  out.accepted = static_cast<double>(accepted) / static_cast<double>(scores.size());
  const KnownInputs known = files.known();
  if (known.rows) out.features = shape_of(*known.rows);
  if (known.layer) out.layer = shape_of(known.layer->weight);
  return out;
}

void run(const ThresholdOptions& options) {
  const Threshold threshold = find_threshold(options);
  const Json json = to_json(threshold);
  if (!options.output.empty()) write_file(options.output, json.dump(2) + '\n');
  if (options.common.json) {
    print_json(json);
  } else if (options.output.empty()) {
    print(fmt::format("{} >= {:.10g}: {:.4g} % of {}\n", options.score.name(), threshold.threshold,
                      100 * threshold.accepted, counted(threshold.rows, "row")));
  }
  if (!options.output.empty()) note("wrote " + options.output);
}

Shape shape_from(const Json& json, const std::string& key) {
  const auto numbers = whole_numbers<std::size_t>(json.at(key), key);
  if (numbers.size() != 2) throw InvalidArgument(key, "expected rows and columns");
  return {numbers[0], numbers[1]};
}

Threshold parse(const Json& json) {
  if (json.at("format") != kFormat) throw InvalidArgument("format", "unknown");
  if (json.at("version") != kVersion) {
    throw InvalidArgument("version",
                          fmt::format("expected {}, got {}", kVersion, shown(json.at("version"))));
  }
  Threshold out{.score = score_from_json(json),
                .threshold = json.at("threshold").get<double>(),
                .tpr = json.at("tpr").get<double>(),
                .accepted = json.at("accepted").get<double>(),
                .rows = whole_number<std::size_t>(json.at("rows"), "rows")};
  if (json.contains("columns")) {
    out.columns = whole_number<std::size_t>(json.at("columns"), "columns");
  }
  if (json.contains("alpha")) out.alpha = json.at("alpha").get<double>();
  if (json.contains("features")) out.features = shape_from(json, "features");
  if (json.contains("layer")) out.layer = shape_from(json, "layer");
  return out;
}

}  // namespace

double conformal_threshold_of(std::span<const double> known, double alpha,
                              const std::string& path) {
  const double threshold = conformal_threshold(known, alpha);
  if (std::isinf(threshold)) {
    throw DataError(
        path, fmt::format("{}, too few for --alpha {:g}: expected {:.0f} or more",
                          counted(known.size(), "row"), alpha, std::ceil(1 / alpha - 1e-9) - 1));
  }
  return threshold;
}

Json to_json(const Threshold& threshold) {
  Json json = {{"format", kFormat}, {"version", kVersion}};
  json.update(score_json(threshold.score));
  json["threshold"] = threshold.threshold;
  json["tpr"] = threshold.tpr;
  if (threshold.alpha) json["alpha"] = *threshold.alpha;
  json["accepted"] = threshold.accepted;
  json["rows"] = threshold.rows;
  json["columns"] = threshold.columns;
  if (threshold.features) json["features"] = *threshold.features;
  if (threshold.layer) json["layer"] = *threshold.layer;
  return json;
}

Threshold read_threshold(const std::string& path) {
  try {
    return parse(Json::parse(read_file(path)));
  } catch (const InvalidArgument& error) {
    throw DataError(path, fmt::format("not a threshold file of partita detect: {}", error.what()));
  } catch (const Json::exception&) {
    throw DataError(path, "not a threshold file of partita detect, or damaged");
  }
}

void add_detect_threshold(CLI::App& app) {
  auto* command = app.add_subcommand("threshold", "Find the score that most known inputs reach");
  auto options = std::make_shared<ThresholdOptions>();
  add_in(*command, options->in)->required();
  auto* tpr = command
                  ->add_option("--tpr", options->tpr,
                               "share of them to accept, above 0 and at most 1 (0.95)")
                  ->option_text("P")
                  ->check(number("(0, 1]"));
  command
      ->add_option("--alpha", options->alpha,
                   "instead: reject a new known input with probability A at most, whatever the "
                   "scores' distribution")
      ->option_text("A")
      ->check(number("(0, 1)"))
      ->excludes(tpr);
  add_score(*command, options->score);
  add_score_settings(*command, options->score.settings);
  add_score_files(*command, options->score.files);
  add_feature_labels(*command, options->score.files);
  add_common(*command, options->common);
  add_output(*command, options->output, "the threshold as JSON, for partita detect apply");
  command->footer(
      "Example:\n"
      "  partita detect threshold --in val.npy --score energy --tpr 0.95 -o threshold.json\n"
      "\n"
      "The threshold is the largest score that a share of P or more reaches. With --alpha, it is\n"
      "the floor(A (n + 1))-th smallest of n scores: a conformal threshold, which holds for new\n"
      "inputs if those of --in were not used for training. --seed changes nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
