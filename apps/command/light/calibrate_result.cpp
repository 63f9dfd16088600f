// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/calibrate_result.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace partita::app {
namespace {

/// Calls use(name, get) for each metric, in the order of the JSON; get(metrics) is its value.
template <class Use>
void each_metric(const Use& use) {
  use("accuracy", [](const auto& of) { return of.accuracy; });
  use("confidence", [](const auto& of) { return of.confidence; });
  use("nll", [](const auto& of) { return of.nll; });
  use("ece", [](const auto& of) { return of.ece; });
  use("mce", [](const auto& of) { return of.mce; });
  use("classwise_ece", [](const auto& of) { return of.classwise_ece; });
  use("adaptive_ece", [](const auto& of) { return of.adaptive_ece; });
  use("brier", [](const auto& of) { return of.brier; });
  use("debiased_ece", [](const auto& of) { return of.debiased_ece; });
}

/// Calls use(name, get) for each measure of confidence that is a number; get(measures) is its
/// value, or nothing.
template <class Use>
void each_measure(const Use& use) {
  const auto add = [&](const char* name, auto get) {
    use(name, [=](const ConfidenceMeasures& of) { return std::optional<double>(get(of)); });
  };
  add("smooth_ece", [](const auto& of) { return of.smooth_ece.value; });
  add("calibrated_p", [](const auto& of) { return of.p_value; });
  add("aurc", [](const auto& of) { return of.risk_coverage.aurc; });
  add("e_aurc", [](const auto& of) { return of.risk_coverage.e_aurc; });
  add("augrc", [](const auto& of) { return of.risk_coverage.augrc; });
  add("brier_reliability", [](const auto& of) { return of.brier.reliability; });
  add("brier_resolution", [](const auto& of) { return of.brier.resolution; });
  add("brier_uncertainty", [](const auto& of) { return of.brier.uncertainty; });
  add("nll_reliability", [](const auto& of) { return of.nll.reliability; });
  add("nll_resolution", [](const auto& of) { return of.nll.resolution; });
  add("nll_uncertainty", [](const auto& of) { return of.nll.uncertainty; });
}

std::string with_interval(double value, const std::optional<Interval>& interval) {
  if (!interval || std::isnan(interval->low)) return fmt::format("{:.5f}", value);
  return fmt::format("{:.5f} ({:.5f}, {:.5f})", value, interval->low, interval->high);
}

/// Calls use(name, cell) for each line of a table, cell(evaluation) being "0.05372 (0.05002,
/// 0.05811)".
template <class Use>
void each_line(const CalibrationResult& result, const Use& use) {
  each_metric([&](const char* name, const auto& get) {
    use(name, [&](const MeasuredCalibration& of) {
      std::optional<Interval> interval;
      if (of.intervals) interval = get(*of.intervals);
      return with_interval(get(of.metrics), interval);
    });
  });
  if (!result.before.confidence) return;
  each_measure([&](const char* name, const auto& get) {
    if (!get(*result.before.confidence)) return;
    use(name,
        [&](const MeasuredCalibration& of) { return fmt::format("{:.5f}", *get(*of.confidence)); });
  });
}

/// A line for each bin.
std::string binned_text(const BinnedTemperature& scaling) {
  const char* const by = scaling.of_entropy ? "entropy" : "number";
  std::string out;
  for (std::size_t b = 0; b < scaling.temperatures.size(); ++b) {
    const bool last = b == scaling.upper.size();
    const std::string range = scaling.upper.empty() ? "any"
                              : last ? fmt::format("above {:.5g}", scaling.upper[b - 1])
                                     : fmt::format("up to {:.5g}", scaling.upper[b]);
    out += fmt::format("temperature {:<9.6g} {} {}\n", scaling.temperatures[b], by, range);
  }
  return out;
}

}  // namespace

Json metrics_json(const MeasuredCalibration& evaluation) {
  Json json;
  each_metric([&](const char* name, const auto& get) { json[name] = get(evaluation.metrics); });
  if (!evaluation.confidence) return json;
  each_measure([&](const char* name, const auto& get) {
    if (const auto value = get(*evaluation.confidence)) json[name] = *value;
  });
  return json;
}

Json intervals_json(const MeasuredCalibration& evaluation) {
  Json json;
  each_metric([&](const char* name, const auto& get) {
    const Interval interval = get(*evaluation.intervals);
    if (!std::isnan(interval.low)) json[name] = {interval.low, interval.high};
  });
  return json;
}

Json bins_json(const CalibrationEvaluation& evaluation) {
  Json json = Json::array();
  for (const ReliabilityBin& bin : evaluation.bins) {
    json.push_back({{"lower", bin.lower},
                    {"upper", bin.upper},
                    {"count", bin.count},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  }
  return json;
}

std::string explain(FitStatus status) {
  switch (status) {
    case FitStatus::converged:
      return {};
    case FitStatus::zero_temperature:
      return "every label has the largest logit of its row: the likelihood grows as the "
             "temperature "
             "goes to 0, and none is best";
    case FitStatus::infinite_temperature:
      return "the labels' logits are on average no larger than the others: the likelihood grows "
             "with the temperature without end, and none is best";
    case FitStatus::undetermined:
      return "all logits of a row are equal, in every row: no temperature changes anything";
    case FitStatus::not_attained:
      return "the likelihood grows without end: a class has no label, or all rows can be told "
             "apart "
             "without an error";
    case FitStatus::iteration_limit:
      break;
  }
  return "the fit has not converged";
}

std::string result_text(const CalibrationResult& result) {
  std::string out;
  if (result.fit && result.fit->calibrator) {
    const FitReport& report = result.fit->report;
    out +=
        fmt::format("{} calibrator from {} of {}: {} after {}, gradient {:.1e}\n",
                    name_of(result.fit->calibrator->method()), counted(result.fitted_rows, "row"),
                    counted(result.classes, "class", "classes"), name_of(report.status),
                    counted(static_cast<std::uint64_t>(report.iterations), "iteration"),
                    report.gradient_residual);
    if (const auto* t = std::get_if<TemperatureScaling>(&result.fit->calibrator->parameters())) {
      out += fmt::format("temperature {:.10g}\n", t->temperature);
    }
    if (const auto* t = std::get_if<BinnedTemperature>(&result.fit->calibrator->parameters())) {
      out += binned_text(*t);
    }
  }
  out += fmt::format("{}{}\n", counted(result.evaluated_rows, "row"),
                     result.resamples > 0 ? ", with 95 % bootstrap intervals" : "");
  if (result.after) out += fmt::format("  {:<17} {:<30} after\n", "", "before");
  each_line(result, [&](const std::string& name, const auto& cell) {
    out += fmt::format("  {:<17} {:<30}", name, cell(result.before));
    if (result.after) out += fmt::format(" {}", cell(*result.after));
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  });
  return out;
}

Table metrics_table(const CalibrationResult& result) {
  Table table{.caption = fmt::format("Metrics of {}{}", counted(result.evaluated_rows, "row"),
                                     result.resamples > 0 ? ", with 95 % bootstrap intervals" : ""),
              .columns = {{"metric"}, {result.after ? "before" : "", Align::right}}};
  if (result.after) table.columns.push_back({"after", Align::right});
  each_line(result, [&](const std::string& name, const auto& cell) {
    table.rows.push_back({name, cell(result.before)});
    if (result.after) table.rows.back().emplace_back(cell(*result.after));
  });
  return table;
}

}  // namespace partita::app
