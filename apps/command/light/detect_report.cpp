// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string_view>
#include <utility>

#include "apps/command/light/detect_evaluate.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"
#include "apps/report/score_curves.hpp"
#include "partita/detection/roc.hpp"

namespace partita::app {
namespace {

constexpr std::size_t kBins = 40;

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

/// What the sides are called.
struct Sides {
  const char* in;
  const char* out;
};

Sides sides(const EvaluateDetectionOptions& options) {
  return options.logits.empty() ? Sides{"in", "out"} : Sides{"correct", "wrong"};
}

Series precision_recall_series(const RocCurve& curve, std::string name) {
  Series series{.name = std::move(name), .mark = Mark::line};
  for (const OperatingPoint& point : thinned(curve)) {
    const std::size_t called = point.true_positives + point.false_positives;
    if (called == 0) continue;
    series.x.push_back(share(point.true_positives, curve.back().true_positives));
    series.y.push_back(share(point.true_positives, called));
  }
  return series;
}

CaptionedFigure roc_figure(const DetectionResult& result, const EvaluateDetectionOptions& options) {
  const RocCurve in = roc_curve(result.in, result.out);
  const RocCurve curve = options.positive == Positive::in ? in : mirrored(in);
  const Sides names = sides(options);
  const char* positive = options.positive == Positive::in ? names.in : names.out;
  const char* negative = options.positive == Positive::in ? names.out : names.in;
  Figure figure{
      .title = "ROC curve",
      .x = {.label = fmt::format("false positive rate ({})", negative), .min = 0, .max = 1},
      .y = {.label = fmt::format("true positive rate ({})", positive), .min = 0, .max = 1.02},
      .series = {roc_series(curve, options.score.name()),
                 {.name = "chance", .x = {0, 1}, .y = {0, 1}, .mark = Mark::line, .dashed = true},
                 {.name = "95 % TPR",
                  .x = {result.metrics.fpr_at_95_tpr},
                  .y = {0.95},
                  .mark = Mark::points}}};
  return {to_svg(figure),
          fmt::format("ROC curve with {} as positive: area {:.4f}; at 95 % of {}, {:.2f} % of {} "
                      "are accepted.",
                      positive, result.metrics.auroc, positive, 100 * result.metrics.fpr_at_95_tpr,
                      negative)};
}

CaptionedFigure precision_recall_figure(const DetectionResult& result,
                                        const EvaluateDetectionOptions& options) {
  const RocCurve in = roc_curve(result.in, result.out);
  const Sides names = sides(options);
  Figure figure{
      .title = "Precision against recall",
      .x = {.label = "recall", .min = 0, .max = 1},
      .y = {.label = "precision", .min = 0, .max = 1.02},
      .series = {precision_recall_series(in, fmt::format("{} positive", names.in)),
                 precision_recall_series(mirrored(in), fmt::format("{} positive", names.out))}};
  return {to_svg(figure),
          fmt::format("Precision against recall. Average precision is {:.4f} with {} as positive, "
                      "{:.4f} with {}; chance would have {:.4f} and {:.4f}.",
                      result.metrics.aupr_in, names.in, result.metrics.aupr_out, names.out,
                      share(result.in.size(), result.in.size() + result.out.size()),
                      share(result.out.size(), result.in.size() + result.out.size()))};
}

/// The scores as plotted: for msp the largest probability, of which it is the logarithm.
std::vector<double> plotted(const std::vector<double>& scores, bool msp) {
  std::vector<double> out = scores;
  if (msp) {
    for (double& s : out) s = std::exp(s);
  }
  return out;
}

/// Where the bins begin and end: all but the thousandth of the scores at either end of either side.
std::pair<double, double> range(const std::vector<double>& in, const std::vector<double>& out) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (std::vector<double> scores : {in, out}) {
    std::sort(scores.begin(), scores.end());
    const std::size_t cut = scores.size() / 1000;
    low = std::min(low, scores[cut]);
    high = std::max(high, scores[scores.size() - 1 - cut]);
  }
  if (low < high) return {low, high};
  const double around = std::max(1e-3, std::abs(low) * 1e-3);
  return {low - around, high + around};
}

CaptionedFigure histogram_figure(const DetectionResult& result,
                                 const EvaluateDetectionOptions& options) {
  const bool msp = options.score.score == DetectionScore::msp;
  const auto in = plotted(result.in, msp);
  const auto out = plotted(result.out, msp);
  const auto [low, high] = range(in, out);
  const Sides names = sides(options);
  const double threshold = plotted({threshold_at_tpr(result.in, 0.95)}, msp).front();
  Figure figure{
      .title = "Scores of both sides",
      .x = {.label = msp ? "largest probability" : fmt::format("score, {}", options.score.name()),
            .min = low,
            .max = high},
      .y = {.label = "% of the side's rows", .min = 0},
      .series = {histogram(names.in, in, low, high, kBins),
                 histogram(names.out, out, low, high, kBins)}};
  double top = 0;
  for (Series& series : figure.series) {
    for (double& y : series.y) y *= 100;
    top = std::max(top, *std::max_element(series.y.begin(), series.y.end()));
  }
  figure.series.push_back({.name = fmt::format("95 % of {}", names.in),
                           .x = {threshold, threshold},
                           .y = {0, top},
                           .mark = Mark::line,
                           .dashed = true});
  return {to_svg(figure),
          fmt::format("Scores in {} bins; the first and the last hold what lies beyond. 95 % of {} "
                      "score {:.4g} or more.",
                      kBins, names.in, threshold)};
}

std::string name_of(std::string_view key, const Sides& names) {
  if (key == "auroc") return "AUROC";
  if (key == "aupr_in") return fmt::format("AUPR, {} positive", names.in);
  if (key == "aupr_out") return fmt::format("AUPR, {} positive", names.out);
  if (key == "fpr_at_95_tpr") return "FPR at 95 % TPR";
  return "detection accuracy";
}

Table figures_table(const DetectionResult& result, const Sides& names) {
  Table table{.caption = "Figures", .columns = {{"figure"}, {"value", Align::right}}};
  if (result.intervals) table.columns.push_back({"95 % interval", Align::right});
  for (const NamedFigure& figure : named_figures(result.metrics, result.intervals)) {
    table.rows.push_back({name_of(figure.key, names), fmt::format("{:.4f}", figure.value)});
    if (figure.interval) {
      table.rows.back().emplace_back(
          fmt::format("{:.4f} to {:.4f}", figure.interval->low, figure.interval->high));
    }
  }
  return table;
}

const char* description(DetectionScore score) {
  switch (score) {
    case DetectionScore::msp:
      return "the largest softmax probability (msp)";
    case DetectionScore::max_logit:
      return "the largest logit";
    case DetectionScore::entropy:
      return "the negated entropy of the softmax";
    case DetectionScore::energy:
      return "the negated free energy, T log Σ exp(z / T)";
    case DetectionScore::gen:
      return "the negated generalized entropy of the largest probabilities (gen)";
    case DetectionScore::kl_matching:
      return "the negated divergence from the nearest class's mean probabilities (kl-matching)";
    case DetectionScore::openmax:
      return "the log odds of a known class, from activations revised by distance (openmax)";
    case DetectionScore::gradnorm:
      return "the size of the last layer's gradient (gradnorm)";
    case DetectionScore::react:
      return "the energy with clipped features (react)";
    case DetectionScore::dice:
      return "the energy by the weights that matter most (dice)";
    case DetectionScore::ash_s:
      return "the energy of the largest features, scaled (ash-s)";
    case DetectionScore::scale:
      return "the energy of scaled features (scale)";
    case DetectionScore::she:
      return "the product with the class's mean features (she)";
    case DetectionScore::vim:
      return "the energy less that of a virtual logit, outside the principal space (vim)";
    case DetectionScore::fdbd:
      return "the mean distance to the decision boundaries (fdbd)";
    case DetectionScore::mahalanobis:
      return "the negated Mahalanobis distance to the nearest class, squared";
    case DetectionScore::relative_mahalanobis:
      return "the negated squared Mahalanobis distance to the nearest class, less that to all";
    case DetectionScore::knn:
      return "the negated distance to the k-th nearest training row (knn)";
    case DetectionScore::nnguide:
      break;
  }
  return "the energy, guided by the nearest training rows (nnguide)";
}

std::string what_was_compared(const DetectionResult& result,
                              const EvaluateDetectionOptions& options) {
  if (!options.logits.empty()) {
    return fmt::format("{} of {} that are classified correctly against {} that are not.",
                       counted(result.in.size(), "row"), file_name(options.logits),
                       grouped(result.out.size()));
  }
  return fmt::format("{} of {} (in) against {} of {} (out).", counted(result.in.size(), "row"),
                     file_name(options.in), grouped(result.out.size()), file_name(options.out));
}

}  // namespace

std::string report_html(const DetectionResult& result, const EvaluateDetectionOptions& options) {
  const Sides names = sides(options);
  Page page(options.logits.empty() ? "Known and unknown inputs" : "Right and wrong predictions",
            what_was_compared(result, options));
  std::string score = fmt::format("The score is {}", description(options.score.score));
  if (options.score.score <= DetectionScore::energy) {
    score += fmt::format(" at temperature {:g}", options.score.settings.temperature);
  }
  page.paragraph(
      fmt::format("{}, larger where a row looks {}. Every figure is exact: thresholds are the "
                  "scores themselves, "
                  "and tied scores are accepted or rejected together.",
                  score, options.logits.empty() ? "known" : "right"));
  page.table(figures_table(result, names));
  page.paragraph(fmt::format(
      "FPR at 95 % TPR has {} as positive. AUPR is average precision: the precision at each "
      "threshold, weighted by the recall that it adds. Detection accuracy is that of the best "
      "threshold when both sides are equally likely.",
      options.positive == Positive::in ? names.in : names.out));
  if (result.intervals) {
    page.paragraph(
        fmt::format("Intervals are percentiles of {} bootstrap resamples of either side.",
                    grouped(options.resamples)));
  }
  page.figures({roc_figure(result, options), precision_recall_figure(result, options)});
  page.figures({histogram_figure(result, options)});
  page.note(command_line());
  return page.html();
}

}  // namespace partita::app
