// SPDX-License-Identifier: Apache-2.0
// partita detect compare: which score tells known inputs from unknown ones best.
#include "apps/command/light/detect_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command/light/detect.hpp"
#include "apps/command/light/detect_evaluate.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

/// Whether the files have what a score needs. Without a layer, --features says that rows are no
/// logits.
bool suits(DetectionScore score, const DetectionFileOptions& files) {
  const auto [layer, rows, labels] = needs_of(score);
  const bool features = !files.features.empty();
  if (files.weight.empty() && features != of_features(score)) return false;
  return (!layer || !files.weight.empty()) && (!rows || features) &&
         (!labels || !files.labels.empty());
}

void check(const CompareDetectionOptions& options) {
  const DetectionFileOptions& files = options.files;
  if (!files.bias.empty() && files.weight.empty()) {
    throw InvalidArgument("--weight", "missing: --bias goes with the weights");
  }
  if (!files.labels.empty() && files.features.empty()) {
    throw InvalidArgument("--features", "missing: --labels are their classes");
  }
  if (files.probabilities && (!files.weight.empty() || !files.features.empty())) {
    throw InvalidArgument("--probabilities", "not used with features");
  }
}

/// The scores of both files by every detector that can be fitted.
DetectionComparison score_all(const CompareDetectionOptions& options) {
  const int threads = options.common.threads;
  const DetectionFiles files(options.files, threads);
  const ScoredInput in(options.files.probabilities, options.in, threads);
  const ScoredInput out(options.files.probabilities, options.out, threads);
  DetectionComparison result;
  for (const DetectionScore score : detection_scores()) {
    if (!suits(score, options.files)) continue;
    try {
      const Scorer scorer(options.of(score), files, threads);
      result.detectors.push_back({.score = score,
                                  .in = scorer.scores(in.rows(), options.in),
                                  .out = scorer.scores(out.rows(), options.out)});
    } catch (const DataError& error) {
      result.left_out.push_back({score, error.what()});
    } catch (const InvalidArgument& error) {
      result.left_out.push_back({score, error.what()});
    }
  }
  if (result.detectors.empty()) throw DataError(options.in, result.left_out.front().reason);
  return result;
}

DetectionComparison compare(const CompareDetectionOptions& options) {
  check(options);
  DetectionComparison result = score_all(options);
  std::vector<ScoredSides> sides;
  for (const RankedDetector& each : result.detectors) sides.push_back({each.in, each.out});
  Meter meter("resampling");
  const auto compared = compare_detectors(sides, options.positive, {.seed = options.common.seed},
                                          {.resamples = options.resamples,
                                           .level = kIntervalLevel,
                                           .threads = options.common.threads,
                                           .progress = meter.progress()});
  for (std::size_t d = 0; d < compared.size(); ++d) result.detectors[d].compared = compared[d];
  std::stable_sort(result.detectors.begin(), result.detectors.end(),
                   [](const RankedDetector& a, const RankedDetector& b) {
                     return a.compared.metrics.auroc > b.compared.metrics.auroc;
                   });
  return result;
}

Json to_json(const DetectionComparison& result, const CompareDetectionOptions& options) {
  Json detectors = Json::array();
  for (const RankedDetector& each : result.detectors) {
    const auto& [metrics, intervals, less_best] = each.compared;
    Json json = score_json(options.of(each.score));
    for (const NamedFigure& figure : named_figures(metrics, {})) json[figure.key] = figure.value;
    json["intervals"] = intervals_json(intervals, options.resamples);
    json["auroc_less_best"] = {less_best.low, less_best.high};
    json["may_be_best"] = each.may_be_best();
    detectors.push_back(std::move(json));
  }
  Json left_out = Json::array();
  for (const auto& [score, reason] : result.left_out) {
    left_out.push_back({{"score", name_of(score)}, {"reason", reason}});
  }
  return {{"detectors", std::move(detectors)},
          {"left_out", std::move(left_out)},
          {"positive", name_of(kPositives, options.positive)},
          {"in", result.detectors.front().in.size()},
          {"out", result.detectors.front().out.size()},
          {"report", options.report},
          {"seed", options.common.seed}};
}

std::string to_text(const DetectionComparison& result, const CompareDetectionOptions& options) {
  const auto with_interval = [](double value, const Interval& interval) {
    return fmt::format("{:.4f} [{:.4f}, {:.4f}]", value, interval.low, interval.high);
  };
  std::string text = fmt::format(
      "{} in, {} out; positive: {}\n", grouped(result.detectors.front().in.size()),
      grouped(result.detectors.front().out.size()), name_of(kPositives, options.positive));
  text += fmt::format("  {:<21} {:<25} {:<25} {}\n", "score", "auroc", "fpr_at_95_tpr",
                      "auroc less the best's");
  for (const RankedDetector& each : result.detectors) {
    const auto& [metrics, intervals, less_best] = each.compared;
    text += fmt::format("  {:<21} {} {}", name_of(each.score),
                        with_interval(metrics.auroc, intervals.auroc),
                        with_interval(metrics.fpr_at_95_tpr, intervals.fpr_at_95_tpr));
    const bool best = &each == &result.detectors.front();
    if (!best) text += fmt::format(" [{:.4f}, {:.4f}]", less_best.low, less_best.high);
    text += '\n';
  }
  for (const auto& [score, reason] : result.left_out) {
    text += fmt::format("  {:<21} left out: {}\n", name_of(score), reason);
  }
  return text + result.verdict() + '\n';
}

void run(const CompareDetectionOptions& options) {
  const DetectionComparison result = compare(options);
  if (!options.report.empty()) write_file(options.report, report_html(result, options));
  if (options.common.json) {
    print_json(to_json(result, options));
  } else {
    print(to_text(result, options));
  }
  if (!options.report.empty()) note("wrote " + options.report);
}

}  // namespace

std::string DetectionComparison::verdict() const {
  std::string others;
  for (std::size_t d = 1; d < detectors.size(); ++d) {
    if (!detectors[d].may_be_best()) continue;
    others += fmt::format("{}{}", others.empty() ? "" : ", ", name_of(detectors[d].score));
  }
  const auto best = name_of(detectors.front().score);
  if (detectors.size() == 1) return fmt::format("{} is the only one", best);
  if (others.empty()) return fmt::format("{} is best, by more than chance", best);
  return fmt::format("{} is best here; by no more than chance before {}", best, others);
}

void add_detect_compare(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "Rank all scores on known and unknown inputs");
  auto options = std::make_shared<CompareDetectionOptions>();
  add_in(*command, options->in)->required();
  add_out(*command, options->out)->required();
  add_feature_labels(*command, options->files);
  add_positive(*command, options->positive);
  add_score_settings(*command, options->settings);
  add_score_files(*command, options->files);
  command
      ->add_option("--resamples", options->resamples,
                   "bootstrap resamples for 95 % intervals (1000)")
      ->option_text("N")
      ->check(whole_number(2, 10'000'000));
  add_common(*command, options->common);
  add_report(*command, options->report);
  command->footer(
      "Example:\n"
      "  partita detect compare --in val.npy --out other.npy --features train.npy --labels y.npy "
      "\\\n"
      "    --weight model.safetensors:fc.weight --bias model.safetensors:fc.bias --positive in\n"
      "\n"
      "With a last layer, all files hold features, and every score takes part; without, those of\n"
      "logits, or, with --features, those of features alone. The last column is the 95 % interval "
      "of\n"
      "what the AUROC is less than the best one's in the same resamples of rows. Choose on one "
      "set\n"
      "of unknown inputs, and report on another: the best of many is flattered.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
