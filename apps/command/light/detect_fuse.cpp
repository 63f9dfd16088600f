// SPDX-License-Identifier: Apache-2.0
// partita detect fuse: several scores as one, and the rows that it accepts.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "apps/command/light/detect.hpp"
#include "apps/command/light/detect_score.hpp"
#include "apps/command/light/detect_threshold.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/score_fusion.hpp"

namespace partita::app {
namespace {

struct FuseOptions {
  std::string in;
  std::string out;
  std::string held_out;
  std::string fresh;
  double alpha = 0.05;
  std::vector<DetectionScore> scores;
  DetectorOptions settings;
  DetectionFileOptions files;
  CommonOptions common;
  std::string output;

  ScoreOptions of(DetectionScore score) const {
    return {.score = score, .settings = settings, .files = files};
  }
};

/// The scores of rows by each detector.
using Columns = std::vector<std::vector<double>>;

std::vector<std::span<const double>> spans(const Columns& columns) {
  return {columns.begin(), columns.end()};
}

Columns score_all(const FuseOptions& options, const DetectionFiles& files,
                  const std::string& path) {
  const ScoredInput input(options.files.probabilities, path, options.common.threads);
  Columns out;
  for (const DetectionScore score : options.scores) {
    const Scorer scorer(options.of(score), files, options.common.threads);
    out.push_back(scorer.scores(input.rows(), path));
  }
  return out;
}

/// Every second of the rows, from `first` on.
Columns half(const Columns& columns, std::size_t first) {
  Columns out(columns.size());
  for (std::size_t d = 0; d < columns.size(); ++d) {
    for (std::size_t r = first; r < columns[d].size(); r += 2) out[d].push_back(columns[d][r]);
  }
  return out;
}

ScoreFusion fit(const Columns& in, const Columns& out) {
  std::vector<ScoredSides> sides;
  for (std::size_t d = 0; d < in.size(); ++d) sides.push_back({in[d], out[d]});
  return fit_score_fusion(sides);
}

double auroc_of(std::span<const double> in, std::span<const double> out) {
  return detection_metrics(in, out, Positive::in).auroc;
}

/// Of each half of the rows by the weights of the other.
double held_out_auroc(const Columns& in, const Columns& out) {
  std::vector<double> known;
  std::vector<double> unknown;
  for (const std::size_t first : {0, 1}) {
    const ScoreFusion fusion = fit(half(in, 1 - first), half(out, 1 - first));
    const Columns own_in = half(in, first);
    const Columns own_out = half(out, first);
    const auto add = [&](std::vector<double>& to, const Columns& columns) {
      const auto scores = fused_scores(fusion, spans(columns));
      to.insert(to.end(), scores.begin(), scores.end());
    };
    add(known, own_in);
    add(unknown, own_out);
  }
  return auroc_of(known, unknown);
}

struct Fused {
  ScoreFusion fusion = {};
  std::vector<double> auroc = {};  // of each score
  double fused_auroc = 0;
  std::size_t in = 0;
  std::size_t out = 0;
  double threshold = 0;
  std::vector<double> fresh = {};
};

/// Every score must have what it needs, though not need all that there is.
void check(const FuseOptions& options) {
  const auto of_rows = [](DetectionScore score) { return of_features(score); };
  const auto features = std::count_if(options.scores.begin(), options.scores.end(), of_rows);
  const bool both = features > 0 && std::cmp_less(features, options.scores.size());
  if (both && options.files.weight.empty()) {
    throw InvalidArgument("--weight", "required to fuse scores of logits and of features");
  }
  for (const DetectionScore score : options.scores) {
    ScoreOptions needed = options.of(score);
    if (!needs_of(score).rows) needed.files.features.clear();
    check_files(needed);
  }
}

Fused fuse(const FuseOptions& options) {
  check(options);
  const DetectionFiles files(options.files, options.common.threads);
  const Columns in = score_all(options, files, options.in);
  const Columns out = score_all(options, files, options.out);
  Fused result{.in = in.front().size(), .out = out.front().size()};
  if (std::min(result.in, result.out) < 4) {
    throw DataError(result.in < result.out ? options.in : options.out,
                    "expected 4 rows or more to fit weights to");
  }
  try {
    result.fusion = fit(in, out);
    result.fused_auroc = held_out_auroc(in, out);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument("--score", error.reason());
  }
  for (std::size_t d = 0; d < in.size(); ++d) result.auroc.push_back(auroc_of(in[d], out[d]));
  if (!options.held_out.empty()) {
    const auto known =
        fused_scores(result.fusion, spans(score_all(options, files, options.held_out)));
    result.threshold = conformal_threshold_of(known, options.alpha, options.held_out);
  }
  if (!options.fresh.empty()) {
    result.fresh = fused_scores(result.fusion, spans(score_all(options, files, options.fresh)));
  }
  return result;
}

std::size_t accepted(const Fused& result) {
  return static_cast<std::size_t>(
      std::count_if(result.fresh.begin(), result.fresh.end(),
                    [&](double score) { return score >= result.threshold; }));
}

void save(const Fused& result, const std::string& path) {
  std::vector<double> table;
  for (const double score : result.fresh) {
    table.push_back(score);
    table.push_back(score >= result.threshold ? 1 : 0);
  }
  save_array(path, std::span<const double>(table), result.fresh.size(), 2, "log_odds,in");
}

Json to_json(const Fused& result, const FuseOptions& options) {
  Json scores = Json::array();
  for (std::size_t d = 0; d < result.auroc.size(); ++d) {
    Json json = score_json(options.of(options.scores[d]));
    json["weight"] = result.fusion.weights[d];
    json["auroc"] = result.auroc[d];
    scores.push_back(std::move(json));
  }
  Json json = {{"scores", std::move(scores)}, {"bias", result.fusion.bias},
               {"auroc", result.fused_auroc}, {"in", result.in},
               {"out", result.out},           {"threshold", result.threshold}};
  if (!options.held_out.empty()) json["alpha"] = options.alpha;
  if (!options.fresh.empty()) {
    json["rows"] = result.fresh.size();
    json["accepted"] = accepted(result);
    json["output"] = options.output;
  }
  return json;
}

std::string to_text(const Fused& result, const FuseOptions& options) {
  std::string text = fmt::format("{} in, {} out\n  {:<21} {:<10} {}\n", grouped(result.in),
                                 grouped(result.out), "score", "auroc", "weight");
  for (std::size_t d = 0; d < result.auroc.size(); ++d) {
    text += fmt::format("  {:<21} {:<10.4f} {:.5g}\n", name_of(options.scores[d]), result.auroc[d],
                        result.fusion.weights[d]);
  }
  text += fmt::format("  {:<21} {:<10.4f} (each half of the rows by the weights of the other)\n",
                      "fused", result.fused_auroc);
  if (options.fresh.empty()) return text;
  return text +
         fmt::format("{} of {} in (log odds >= {:.5g}{})\n", grouped(accepted(result)),
                     counted(result.fresh.size(), "row is", "rows are"), result.threshold,
                     options.held_out.empty() ? "" : fmt::format(", alpha {:g}", options.alpha));
}

void run(const FuseOptions& options) {
  if (options.fresh.empty() != options.output.empty()) {
    throw InvalidArgument(options.fresh.empty() ? "--new" : "--output",
                          "missing: --new and --output go together");
  }
  const Fused result = fuse(options);
  if (!options.fresh.empty()) save(result, options.output);
  if (options.common.json) {
    print_json(to_json(result, options));
  } else {
    print(to_text(result, options));
  }
  if (!options.output.empty()) note("wrote " + options.output);
}

}  // namespace

void add_detect_fuse(CLI::App& app) {
  auto* command = app.add_subcommand("fuse", "Make one score of several, and accept rows by it");
  auto options = std::make_shared<FuseOptions>();
  add_in(*command, options->in)->required();
  add_out(*command, options->out)->required();
  command
      ->add_option_function<std::vector<std::string>>(
          "--score",
          [options](const std::vector<std::string>& names) {
            options->scores.clear();
            for (const std::string& name : names) {
              options->scores.push_back(detection_score_named(name).value());
            }
          },
          "more than once: those to fuse, named as in partita detect evaluate")
      ->option_text("NAME")
      ->check(CLI::IsMember(score_names()))
      ->required();
  command->add_option("--new", options->fresh, "rows to score by the fusion; as --in")
      ->option_text("FILE");
  command
      ->add_option("--held-out", options->held_out,
                   "other known rows, for a threshold that rejects a new one with probability A at "
                   "most; without, log odds of 0")
      ->option_text("FILE");
  command->add_option("--alpha", options->alpha, "that probability (0.05)")
      ->option_text("A")
      ->check(number("(0, 1)"));
  add_score_settings(*command, options->settings);
  add_score_files(*command, options->files);
  add_feature_labels(*command, options->files);
  add_common(*command, options->common);
  add_output(*command, options->output,
             "for each row of --new its log odds of being known, where as many are unknown, and 1 "
             "if it is in, else 0: .csv, or .npy of float64 (rows, 2)",
             {".csv", ".npy"});
  command->footer(
      "Example:\n"
      "  partita detect fuse --score energy --score knn --in val.npy --out other.npy \\\n"
      "    --features train.npy --weight model.safetensors:fc.weight --held-out known.npy \\\n"
      "    --new new.npy -o marks.csv\n"
      "\n"
      "Weights are those of a logistic regression. --in, --out and --held-out are rows that the\n"
      "scores have not learned from. --seed changes nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
