// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/light/calibrate_result.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"

namespace partita::app {
namespace {

/// Accuracy against confidence, beside the diagonal.
Figure diagram_of(Series accuracy, std::string title) {
  return {
      .title = std::move(title),
      .x = {.label = "confidence", .min = 0, .max = 1},
      .y = {.label = "accuracy", .min = 0, .max = 1},
      .series = {std::move(accuracy),
                 {.name = "perfect", .x = {0, 1}, .y = {0, 1}, .mark = Mark::line, .dashed = true}},
      .height = 400};
}

/// The lower ends of intervals, and the upper ones on the way back.
class Band {
 public:
  void add(double x, const Interval& interval) {
    series_.x.push_back(x);
    series_.y.push_back(interval.low);
    high_.push_back(interval.high);
  }

  Series series() const {
    Series out = series_;
    out.x.insert(out.x.end(), series_.x.rbegin(), series_.x.rend());
    out.y.insert(out.y.end(), high_.rbegin(), high_.rend());
    return out;
  }

 private:
  Series series_{.name = "95 % band", .mark = Mark::line, .dashed = true};
  std::vector<double> high_;
};

/// With the bootstrap bands of the bins' accuracies.
CaptionedFigure reliability(const CalibrationEvaluation& evaluation, const std::string& when) {
  Series measured{.name = "accuracy", .mark = Mark::line_and_points};
  Band band;
  for (const ReliabilityBin& bin : evaluation.bins) {
    if (bin.count == 0) continue;
    measured.x.push_back(bin.confidence);
    measured.y.push_back(bin.accuracy);
    if (bin.accuracy_interval) band.add(bin.confidence, *bin.accuracy_interval);
  }
  Figure figure = diagram_of(std::move(measured), "Reliability diagram" + when);
  if (evaluation.intervals) figure.series.push_back(band.series());
  return {to_svg(figure), fmt::format("Reliability{}: ECE {:.4f}. Under the diagonal the "
                                      "network is surer than it should be.",
                                      when, evaluation.metrics.ece)};
}

/// Accuracy as a smooth function of confidence, where there are rows.
CaptionedFigure kernel_figure(const ConfidenceMeasures& measures, const std::string& when) {
  const KernelDiagram& diagram = *measures.diagram;
  constexpr double kFewest = 0.02;  // of the mean density
  Series curve{.name = "accuracy", .mark = Mark::line};
  Series density{.name = "share of rows", .mark = Mark::line};
  Band band;
  const double top = *std::max_element(diagram.density.begin(), diagram.density.end());
  for (std::size_t i = 0; i < diagram.confidence.size(); ++i) {
    density.x.push_back(diagram.confidence[i]);
    density.y.push_back(0.2 * diagram.density[i] / top);
    if (diagram.density[i] < kFewest) continue;
    curve.x.push_back(diagram.confidence[i]);
    curve.y.push_back(diagram.accuracy[i]);
    band.add(diagram.confidence[i], diagram.band[i]);
  }
  Figure figure = diagram_of(std::move(curve), "Smooth reliability diagram" + when);
  figure.series.push_back(band.series());
  figure.series.push_back(std::move(density));
  return {to_svg(figure), fmt::format("Smoothed by a kernel of width {:.3f}: smooth ECE {:.4f}{}.",
                                      diagram.bandwidth, measures.smooth_ece.value, when)};
}

/// Risk against coverage.
CaptionedFigure risk_figure(const CalibrationResult& result) {
  Figure figure{.title = "Risk against coverage",
                .x = {.label = "coverage", .min = 0, .max = 1},
                .y = {.label = "share of wrong answers", .min = 0}};
  const auto add = [&](const MeasuredCalibration& of, const std::string& name) {
    const auto& points = of.confidence->risk_coverage.points;
    const std::size_t step = std::max<std::size_t>(1, points.size() / 500);
    Series series{.name = name, .mark = Mark::line};
    for (std::size_t i = points.size(); i-- > 0;) {
      if (i % step != 0 && i + 1 != points.size()) continue;
      series.x.push_back(points[i].coverage);
      series.y.push_back(points[i].risk);
    }
    figure.series.push_back(std::move(series));
  };
  add(result.before, result.after ? "before" : "risk");
  if (result.after) add(*result.after, "after");
  return {to_svg(figure),
          "Share of wrong answers among the rows that are answered, the surest first."};
}

/// How many rows each bin holds.
CaptionedFigure histogram(const CalibrationEvaluation& evaluation, const std::string& when) {
  Figure figure{.title = "Histogram of confidence" + when,
                .x = {.label = "confidence", .min = 0, .max = 1},
                .y = {.label = "share of rows", .min = 0},
                .height = 260};
  std::size_t rows = 0;
  for (const ReliabilityBin& bin : evaluation.bins) rows += bin.count;
  // Outlines, so that bins may differ in width.
  Series outline{.mark = Mark::line};
  double top = 0;
  for (const ReliabilityBin& bin : evaluation.bins) {
    const double share = static_cast<double>(bin.count) / static_cast<double>(rows);
    outline.x.insert(outline.x.end(), {bin.lower, bin.lower, bin.upper, bin.upper});
    outline.y.insert(outline.y.end(), {0, share, share, 0});
    top = std::max(top, share);
  }
  figure.y.max = 1.05 * top;
  const auto mean = [&](const std::string& name, double at) {
    return Series{.name = fmt::format("{} {:.3f}", name, at),
                  .x = {at, at},
                  .y = {0, 1.05 * top},
                  .mark = Mark::line,
                  .dashed = true};
  };
  figure.series = {std::move(outline), mean("accuracy", evaluation.metrics.accuracy),
                   mean("mean confidence", evaluation.metrics.confidence)};
  return {to_svg(figure), fmt::format("Distribution of the confidences{}.", when)};
}

Table bins_table(const CalibrationEvaluation& evaluation, const std::string& when) {
  Table table{.caption = "Bins" + when,
              .columns = {{"confidence in"},
                          {"rows", Align::right},
                          {"mean confidence", Align::right},
                          {"accuracy", Align::right},
                          {"95 % band", Align::right}}};
  for (const ReliabilityBin& bin : evaluation.bins) {
    if (bin.count == 0) continue;
    constexpr std::size_t kEnough = 10;  // rows for a meaningful band
    const bool outside = bin.count >= kEnough && bin.accuracy_interval &&
                         (bin.confidence < bin.accuracy_interval->low ||
                          bin.confidence > bin.accuracy_interval->high);
    table.rows.push_back(
        {fmt::format("({:.3f}, {:.3f}]", bin.lower, bin.upper), grouped(bin.count),
         fmt::format("{:.4f}", bin.confidence), Cell(fmt::format("{:.4f}", bin.accuracy), outside),
         bin.accuracy_interval ? fmt::format("{:.4f} to {:.4f}", bin.accuracy_interval->low,
                                             bin.accuracy_interval->high)
                               : ""});
  }
  return table;
}

void add_temperature(Page& page, const CalibrationResult& result, double best) {
  const double nll = *std::min_element(result.curve.nll.begin(), result.curve.nll.end());
  const double top = *std::max_element(result.curve.nll.begin(), result.curve.nll.end());
  const Figure figure{
      .title = "Negative log-likelihood against temperature",
      .x = {.label = "temperature T",
            .logarithmic = true,
            .min = result.curve.temperature.front(),
            .max = result.curve.temperature.back()},
      .y = {.label = "NLL of the fitted rows"},
      .series = {{.x = result.curve.temperature, .y = result.curve.nll, .mark = Mark::line},
                 {.name = fmt::format("best: {:.4f}", best),
                  .x = {best, best},
                  .y = {nll, top},
                  .mark = Mark::line,
                  .dashed = true}}};
  page.heading("Temperature");
  page.figures({{to_svg(figure), "The likelihood has one best temperature."}});
}

/// What the test finds.
std::string calibrated_or_not(const CalibrationResult& result) {
  const auto verdict = [](const MeasuredCalibration& of, const char* when) {
    const double p = of.confidence->p_value.value();
    return fmt::format(
        " {} p = {:.3g}: what is measured {}.", when, p,
        p <= 0.05 ? "is more than the chance of finitely many rows" : "may be chance");
  };
  std::string text =
      "Is this calibrated? If every row were right with the probability that its confidence says, "
      "a share p of data sets would have a smooth ECE as large.";
  text += verdict(result.before, result.after ? "Before," : "Here,");
  if (result.after) text += verdict(*result.after, "After,");
  return text;
}

}  // namespace

std::string calibration_report(const CalibrationResult& result) {
  Page page("Calibration",
            fmt::format("{}: {} of {}.", std::filesystem::path(result.logits).filename().string(),
                        counted(result.evaluated_rows, "row"),
                        counted(result.classes, "class", "classes")));
  if (!result.preface.empty()) page.paragraph(result.preface);
  const std::string before = result.after ? " before" : "";
  if (result.fit && result.fit->calibrator) {
    const FitReport& report = result.fit->report;
    const auto* t = std::get_if<TemperatureScaling>(&result.fit->calibrator->parameters());
    page.paragraph(fmt::format(
        "Method {}{}, fitted on {}: {} after {}, with a gradient of {:.1e}. {}",
        name_of(result.fit->calibrator->method()),
        t != nullptr ? fmt::format(", T = {:.6f}", t->temperature) : "",
        counted(result.fitted_rows, "row"), name_of(report.status),
        counted(static_cast<std::uint64_t>(report.iterations), "iteration"),
        report.gradient_residual,
        !result.split ? "The same rows are evaluated, which flatters methods with many parameters."
                      : "Other rows are evaluated."));
  }
  page.table(metrics_table(result));
  page.heading("Reliability");
  std::vector<CaptionedFigure> diagrams = {reliability(result.before, before)};
  std::vector<CaptionedFigure> histograms = {histogram(result.before, before)};
  std::vector<Table> tables = {bins_table(result.before, before)};
  if (result.after) {
    diagrams.push_back(reliability(*result.after, " after"));
    histograms.push_back(histogram(*result.after, " after"));
    tables.push_back(bins_table(*result.after, " after"));
  }
  page.figures(diagrams);
  if (result.before.confidence && result.before.confidence->diagram) {
    std::vector<CaptionedFigure> smooth = {kernel_figure(*result.before.confidence, before)};
    if (result.after) smooth.push_back(kernel_figure(*result.after->confidence, " after"));
    page.paragraph(calibrated_or_not(result));
    page.figures(smooth);
  }
  page.figures(histograms);
  if (result.before.confidence) {
    page.heading("Answering only when sure");
    page.figures({risk_figure(result)});
  }
  if (!result.curve.temperature.empty()) {
    add_temperature(page, result,
                    std::get<TemperatureScaling>(result.fit->calibrator->parameters()).temperature);
  }
  page.heading("Bins");
  page.paragraph(
      "Each bin is open below and closed above. An accuracy is marked where the bin's mean "
      "confidence lies outside its band (and the bin has 10 rows or more). Intervals of ece, "
      "adaptive_ece and "
      "mce may lie above the value itself: resampling adds to the noise that both measure.");
  page.tables(tables);
  page.note(command_line());
  return page.html();
}

}  // namespace partita::app
