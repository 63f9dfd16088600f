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

/// Accuracy against confidence, with the diagonal and the ends of the bootstrap bands.
CaptionedFigure reliability(const CalibrationEvaluation& evaluation, const std::string& when) {
  Series measured{.name = "accuracy", .mark = Mark::line_and_points};
  Series band{.name = "95 % band", .mark = Mark::line, .dashed = true};  // there and back
  std::vector<double> high;
  for (const ReliabilityBin& bin : evaluation.bins) {
    if (bin.count == 0) continue;
    measured.x.push_back(bin.confidence);
    measured.y.push_back(bin.accuracy);
    if (!bin.accuracy_interval) continue;
    band.x.push_back(bin.confidence);
    band.y.push_back(bin.accuracy_interval->low);
    high.push_back(bin.accuracy_interval->high);
  }
  for (std::size_t i = high.size(); i-- > 0;) {
    band.x.push_back(band.x[i]);
    band.y.push_back(high[i]);
  }
  Figure figure{
      .title = "Reliability diagram" + when,
      .x = {.label = "confidence", .min = 0, .max = 1},
      .y = {.label = "accuracy", .min = 0, .max = 1},
      .series = {std::move(measured),
                 {.name = "perfect", .x = {0, 1}, .y = {0, 1}, .mark = Mark::line, .dashed = true}},
      .height = 400};
  if (!band.x.empty()) figure.series.push_back(std::move(band));
  return {to_svg(figure), fmt::format("Reliability{}: ECE {:.4f}. Under the diagonal the "
                                      "network is surer than it should be.",
                                      when, evaluation.metrics.ece)};
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
  page.figures(histograms);
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
