// SPDX-License-Identifier: Apache-2.0
// partita detect evaluate: how well a score tells known inputs from unknown ones.
#include "apps/command/light/detect_evaluate.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <memory>
#include <span>
#include <utility>

#include "apps/command/light/calibrate_input.hpp"
#include "apps/command/light/detect.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

void check(const EvaluateDetectionOptions& options) {
  if (options.logits.empty() && options.in.empty()) {
    throw InvalidArgument("--in", "missing: give --in and --out, or --logits and --labels");
  }
  if (options.logits.empty()) return;
  const DetectionNeeds needs = needs_of(options.score.score);
  if (needs.rows || needs.layer || !options.score.files.weight.empty()) {
    throw InvalidArgument("--logits",
                          fmt::format("not used by {}, which scores features: give --in and --out",
                                      options.score.name()));
  }
}

/// Scores the rows of two files.
DetectionResult score_files(const EvaluateDetectionOptions& options, const Group& group) {
  const DetectionFiles files = files_for(options.score, options.common.threads);
  const Scorer scorer(options.score, files, options.common.threads);
  const bool probabilities = options.score.files.probabilities;
  const ScoredInput in(probabilities, options.in, options.common.threads);
  const ScoredInput out(probabilities, options.out, options.common.threads);
  if (in.rows().columns() != out.rows().columns()) {
    throw DataError(options.out,
                    fmt::format("{} columns, expected {}, as in {}", out.rows().columns(),
                                in.rows().columns(), options.in));
  }
  const auto scores = [&](Rows rows, const std::string& file) {
    const auto [first, count] = own_rows(rows.rows(), group);
    return scorer.scores(rows.slice(first, count), file);
  };
  return {.in = scores(in.rows(), options.in), .out = scores(out.rows(), options.out)};
}

/// Scores the rows of one file: in are those whose arg max is their label.
DetectionResult score_errors(const EvaluateDetectionOptions& options, const Group& group) {
  ScoreOptions score = options.score;
  score.files.labels.clear();
  const DetectionFiles files = files_for(score, options.common.threads);
  const Scorer scorer(score, files, options.common.threads);
  PredictionsInput input({.logits = options.logits,
                          .labels = options.score.files.labels,
                          .probabilities = options.score.files.probabilities},
                         options.common.threads);
  const Rows all = input.logits();
  const auto labels = input.labels(options.score.files.labels);
  const auto [first, count] = own_rows(all.rows(), group);
  const Rows logits = all.slice(first, count);
  const auto scores = scorer.scores(logits, options.logits);
  const auto predicted = argmax(logits, {.threads = options.common.threads});
  DetectionResult result;
  for (std::size_t r = 0; r < count; ++r) {
    (predicted[r] == labels[first + r] ? result.in : result.out).push_back(scores[r]);
  }
  if (group.size() == 1 && (result.in.empty() || result.out.empty())) {
    throw DataError(options.score.files.labels,
                    fmt::format("every row of {} is classified {}: nothing to tell apart",
                                options.logits, result.in.empty() ? "wrongly" : "correctly"));
  }
  return result;
}

DetectionResult evaluate(const EvaluateDetectionOptions& options, Group& group) {
  check(options);
  DetectionResult result =
      options.logits.empty() ? score_files(options, group) : score_errors(options, group);
  double sizes[] = {static_cast<double>(result.in.size()), static_cast<double>(result.out.size())};
  group.all_reduce(sizes, Reduction::sum);
  result.all_in = static_cast<std::size_t>(sizes[0]);
  result.all_out = static_cast<std::size_t>(sizes[1]);
  result.metrics = detection_metrics(result.in, result.out, options.positive, group);
  if (group.size() == 1 && options.resamples > 0) {
    result.intervals =
        detection_intervals(result.in, result.out, options.positive, {.seed = options.common.seed},
                            {.resamples = options.resamples,
                             .level = kIntervalLevel,
                             .threads = options.common.threads});
  }
  return result;
}

Json to_json(const DetectionResult& result, const EvaluateDetectionOptions& options) {
  Json json;
  for (const NamedFigure& figure : named_figures(result.metrics, result.intervals))
    json[figure.key] = figure.value;
  json["intervals"] =
      result.intervals ? intervals_json(*result.intervals, options.resamples) : Json(nullptr);
  json["positive"] = name_of(kPositives, options.positive);
  json.update(score_json(options.score));
  json["in"] = result.all_in;
  json["out"] = result.all_out;
  json["report"] = options.report;
  json["seed"] = options.common.seed;
  return json;
}

std::string to_text(const DetectionResult& result, const EvaluateDetectionOptions& options) {
  const bool errors = !options.logits.empty();
  std::string text =
      fmt::format("{}: {} {}, {} {}; positive: {}\n", options.score.name(), grouped(result.all_in),
                  errors ? "correct" : "in", grouped(result.all_out), errors ? "wrong" : "out",
                  name_of(kPositives, options.positive));
  for (const NamedFigure& figure : named_figures(result.metrics, result.intervals)) {
    text += fmt::format("  {:<20} {:.5f}", figure.key, figure.value);
    if (figure.interval) {
      text += fmt::format("  [{:.5f}, {:.5f}]", figure.interval->low, figure.interval->high);
    }
    text += '\n';
  }
  return text;
}

void run(const EvaluateDetectionOptions& options) {
  const auto group = command_group();
  if (group->size() > 1 && !options.report.empty()) {
    throw InvalidArgument("--report", "is for one process, which has all scores");
  }
  const DetectionResult result = evaluate(options, *group);
  if (!options.report.empty()) write_file(options.report, report_html(result, options));
  if (options.common.json) {
    print_json(to_json(result, options));
  } else {
    print(to_text(result, options));
  }
  if (!options.report.empty()) note("wrote " + options.report);
}

}  // namespace

void add_positive(CLI::App& app, Positive& positive) {
  add_choice(app, "--positive", positive, kPositives,
             "the side whose true positive rate is 95 % in fpr_at_95_tpr: in or out")
      ->option_text("SIDE")
      ->required();
}

std::vector<NamedFigure> named_figures(const DetectionMetrics& metrics,
                                       const std::optional<DetectionIntervals>& intervals) {
  std::vector<NamedFigure> out;
  const auto add = [&](const char* key, double DetectionMetrics::*value,
                       Interval DetectionIntervals::*interval) {
    std::optional<Interval> with;
    if (intervals) with = (*intervals).*interval;
    out.push_back({key, metrics.*value, with});
  };
  add("auroc", &DetectionMetrics::auroc, &DetectionIntervals::auroc);
  add("aupr_in", &DetectionMetrics::aupr_in, &DetectionIntervals::aupr_in);
  add("aupr_out", &DetectionMetrics::aupr_out, &DetectionIntervals::aupr_out);
  add("fpr_at_95_tpr", &DetectionMetrics::fpr_at_95_tpr, &DetectionIntervals::fpr_at_95_tpr);
  add("detection_accuracy", &DetectionMetrics::detection_accuracy,
      &DetectionIntervals::detection_accuracy);
  return out;
}

Json intervals_json(const DetectionIntervals& intervals, std::size_t resamples) {
  Json json = {{"level", kIntervalLevel}, {"resamples", resamples}};
  for (const NamedFigure& figure : named_figures({}, intervals)) {
    json[figure.key] = {figure.interval->low, figure.interval->high};
  }
  return json;
}

void add_detect_evaluate(CLI::App& app) {
  auto* command =
      app.add_subcommand("evaluate", "Measure how well known and unknown are told apart");
  auto options = std::make_shared<EvaluateDetectionOptions>();
  auto* in = add_in(*command, options->in);
  auto* out = add_out(*command, options->out);
  auto* logits = command
                     ->add_option("--logits", options->logits,
                                  "instead of --in and --out: take the rows that are classified "
                                  "correctly as in, the errors as out")
                     ->option_text("FILE");
  auto* labels = command
                     ->add_option("--labels", options->score.files.labels,
                                  "classes, integers from 0: of the rows of --logits, or of "
                                  "--features")
                     ->option_text("FILE");
  in->needs(out);
  out->needs(in);
  logits->needs(labels)->excludes(in)->excludes(out);
  add_positive(*command, options->positive);
  add_score(*command, options->score);
  add_score_settings(*command, options->score.settings);
  add_score_files(*command, options->score.files);
  command
      ->add_option("--resamples", options->resamples,
                   "bootstrap resamples for 95 % intervals; 0 for none (1000)")
      ->option_text("N")
      ->check(whole_number(0, 10'000'000));
  add_common(*command, options->common);
  add_report(*command, options->report);
  command->footer(
      "Example:\n"
      "  partita detect evaluate --in test.npy --out other.npy --score energy --positive in "
      "--json\n"
      "  partita detect evaluate --logits val.npz:logits --labels val.npz:labels --positive out\n"
      "\n"
      "Scores are larger for known inputs. AUPR is average precision, as scikit-learn's; "
      "detection\n"
      "accuracy is that of the best threshold when both sides are equally likely.\n"
      "\n"
      "Several processes divide the rows (partita launch -n 4 -- detect evaluate ...), and give "
      "the\n"
      "same figures without intervals.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
