// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "apps/command/light/detect_compare.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"
#include "apps/report/score_curves.hpp"
#include "partita/detection/roc.hpp"

namespace partita::app {
namespace {

constexpr std::size_t kCurves = 5;

std::string with_interval(double value, const Interval& interval) {
  return fmt::format("{:.4f} ({:.4f} to {:.4f})", value, interval.low, interval.high);
}

Table ranking(const DetectionComparison& result) {
  Table table{.caption = "Scores, the best first",
              .columns = {{"score"},
                          {"AUROC", Align::right},
                          {"FPR at 95 % TPR", Align::right},
                          {"AUROC less the best's", Align::right}}};
  for (const RankedDetector& each : result.detectors) {
    const auto& [metrics, intervals, less_best] = each.compared;
    const bool best = table.rows.empty();
    table.rows.push_back(
        {{std::string(name_of(each.score)), each.may_be_best()},
         with_interval(metrics.auroc, intervals.auroc),
         with_interval(metrics.fpr_at_95_tpr, intervals.fpr_at_95_tpr),
         best ? "" : fmt::format("{:.4f} to {:.4f}", less_best.low, less_best.high)});
  }
  return table;
}

/// AUROC with its interval, one score beside the other.
CaptionedFigure ranking_figure(const DetectionComparison& result) {
  Series series{.mark = Mark::points};
  Figure figure{.title = "AUROC of all scores",
                .x = {.min = -0.5, .max = static_cast<double>(result.detectors.size()) - 0.5},
                .y = {.label = "AUROC"},
                .width = 960};
  for (const RankedDetector& each : result.detectors) {
    const auto& [low, high] = each.compared.intervals.auroc;
    figure.x.categories.emplace_back(name_of(each.score));
    series.x.push_back(static_cast<double>(series.x.size()));
    series.y.push_back((low + high) / 2);
    series.error.push_back((high - low) / 2);
  }
  figure.series = {std::move(series)};
  return {to_svg(figure), "95 % intervals of the AUROC, and their middles.", true};
}

CaptionedFigure curves(const DetectionComparison& result, Positive positive) {
  Figure figure{.title = "ROC curves",
                .x = {.label = "false positive rate", .min = 0, .max = 1},
                .y = {.label = "true positive rate", .min = 0, .max = 1.02}};
  for (const RankedDetector& each : result.detectors) {
    if (figure.series.size() == kCurves) break;
    const RocCurve in = roc_curve(each.in, each.out);
    figure.series.push_back(
        roc_series(positive == Positive::in ? in : mirrored(in), std::string(name_of(each.score))));
  }
  return {to_svg(figure),
          fmt::format("ROC curves of the first {}, with {} as positive.", figure.series.size(),
                      positive == Positive::in ? "in" : "out")};
}

}  // namespace

std::string report_html(const DetectionComparison& result, const CompareDetectionOptions& options) {
  const RankedDetector& best = result.detectors.front();
  const auto name = [](const std::string& path) {
    return std::filesystem::path(path).filename().string();
  };
  Page page("Scores of unknown inputs",
            fmt::format("{} of {} (in) against {} of {} (out).", counted(best.in.size(), "row"),
                        name(options.in), grouped(best.out.size()), name(options.out)));
  page.paragraph(fmt::format(
      "By AUROC, {}. Marked are the scores whose distance to the best may be chance: the 95 % "
      "interval of the difference, over {} resamples of rows that all scores share, reaches 0. The "
      "best of many is flattered by the choice: report it on other unknown inputs.",
      result.verdict(), grouped(options.resamples)));
  page.table(ranking(result));
  page.figures({ranking_figure(result)});
  page.figures({curves(result, options.positive)});
  for (const auto& [score, reason] : result.left_out) {
    page.paragraph(fmt::format("Left out is {}: {}.", name_of(score), reason));
  }
  page.note(command_line());
  return page.html();
}

}  // namespace partita::app
