// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/report.hpp"
#include "apps/experiments/gradients/ranking.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/report/page.hpp"

namespace partita::app {
namespace {

constexpr double kExact = 1e-20;  // a variance of rounding alone

/// The families of the estimators, in the order of their first members.
template <class Items>
std::vector<std::string> families(const Items& items) {
  std::vector<std::string> out;
  for (const auto& item : items) {
    const std::string family = family_of(item.estimator);
    if (std::find(out.begin(), out.end(), family) == out.end()) out.push_back(family);
  }
  return out;
}

/// "0.0158 ± 0.0003", "2.5e-07 ± 3e-10", or 0 where only rounding is left.
std::string number(double value, double error) {
  constexpr double kRounding = 1e-14;
  if (std::abs(value) < kRounding && error < kRounding) return "0";
  if (error < kRounding) return fmt::format("{:.4g}", value);
  if (error > 1e-6 && error < 1e3) return with_error(value, error);
  return fmt::format("{:.2e} ± {:.0e}", value, error);
}

/// A height for figures whose keys grow with their series, so that the rest stays as it is.
int height_with(std::size_t series) { return 250 + 20 * static_cast<int>(series); }

Table measurements_table(const VariantResult& variant) {
  Table table{.caption = "Bias and variance of one estimate, ± standard errors",
              .columns = {{"estimator"},
                          {"τ", Align::right},
                          {"samples", Align::right},
                          {"evaluations", Align::right},
                          {"µs", Align::right},
                          {"bias", Align::right},
                          {"variance", Align::right}}};
  for (const Measurement& m : variant.measurements) {
    table.rows.push_back(
        {name_of(m.estimator), m.temperature ? fmt::format("{:g}", *m.temperature) : "",
         fmt::to_string(m.samples), fmt::to_string(m.evaluations),
         fmt::format("{:.2f}", m.microseconds), Cell(number(m.bias, m.bias_error), is_biased(m)),
         number(m.variance, m.variance_error)});
  }
  return table;
}

/// One curve for each estimator with temperatures: y and its error against the temperature.
template <class Value>
std::vector<Series> over_temperature(const VariantResult& variant, const Value& value) {
  std::vector<Series> out;
  for (const Measurement& m : variant.measurements) {
    if (!m.temperature) continue;
    auto series = std::find_if(out.begin(), out.end(),
                               [&](const Series& s) { return s.name == name_of(m.estimator); });
    if (series == out.end()) series = out.insert(out.end(), Series{.name = name_of(m.estimator)});
    if (std::find(series->x.begin(), series->x.end(), *m.temperature) != series->x.end()) continue;
    const auto [y, error] = value(m);
    series->x.push_back(*m.temperature);
    series->y.push_back(y);
    series->error.push_back(error);
  }
  return out;
}

void add_temperature_figures(Page& page, const VariantResult& variant) {
  std::vector<Series> bias = over_temperature(
      variant, [](const Measurement& m) { return std::pair(m.bias, m.bias_error); });
  std::vector<Series> variance = over_temperature(
      variant, [](const Measurement& m) { return std::pair(m.variance, m.variance_error); });
  if (bias.empty()) return;
  const Axis temperature{.label = "temperature τ",
                         .logarithmic = true,
                         .min = 0.08,
                         .max = 2.5,
                         .ticks = bias.front().x};
  bias.push_back(
      {.name = "no bias", .x = {0.08, 2.5}, .y = {0, 0}, .mark = Mark::line, .dashed = true});
  page.figures({{to_svg({.title = "Bias against temperature, " + variant.name,
                         .x = temperature,
                         .y = {.label = "bias"},
                         .series = std::move(bias)}),
                 "Bias against temperature: relaxations have some, REBAR none at any temperature."},
                {to_svg({.title = "Variance against temperature, " + variant.name,
                         .x = temperature,
                         .y = {.label = "variance", .logarithmic = true},
                         .series = std::move(variance)}),
                 "Variance against temperature: what a relaxation pays for a smaller bias."}});
}

/// One bar per estimator, at the usual temperature and the first number of samples.
CaptionedFigure variance_bars(const VariantResult& variant) {
  Figure figure{.title = "Variance of each estimator, " + variant.name,
                .x = {.min = -0.6},
                .y = {.label = "variance of one estimate", .logarithmic = true},
                .width = 720,
                .height = 400};
  Series bars{.mark = Mark::bars};
  double least = INFINITY;
  std::set<EstimatorKind> seen;
  for (const Measurement& m : variant.measurements) {
    if (m.temperature.value_or(0.5) != 0.5 || !seen.insert(m.estimator).second) continue;
    bars.x.push_back(static_cast<double>(figure.x.categories.size()));
    bars.y.push_back(m.variance);
    figure.x.categories.emplace_back(name_of(m.estimator));
    if (m.variance > kExact) least = std::min(least, m.variance);
  }
  figure.x.max = static_cast<double>(figure.x.categories.size()) - 0.4;
  if (std::isfinite(least)) figure.y.min = std::pow(10, std::floor(std::log10(least)) - 0.5);
  figure.series = {std::move(bars)};
  return {to_svg(figure),
          "Variance of one estimate, at the smallest number of samples that each estimator works "
          "with, and at τ = 0.5. Without a bar it is 0, up to rounding.",
          true};
}

/// Variance against cost: a point for each setting, and the steps below which no unbiased one lies.
CaptionedFigure frontier(const VariantResult& variant, Budget budget) {
  const bool by_time = budget == Budget::time;
  Figure figure{.title = fmt::format("Variance against {}, {}", by_time ? "time" : "evaluations",
                                     variant.name),
                .x = {.label = by_time ? "µs of one estimate" : "evaluations of f in one estimate",
                      .logarithmic = true},
                .y = {.label = "variance of one estimate", .logarithmic = true},
                .height = 420};
  std::vector<std::pair<double, double>> unbiased;  // cost and variance
  for (const std::string& family : families(variant.measurements)) {
    Series series{.name = family, .mark = Mark::points};
    for (const Measurement& m : variant.measurements) {
      if (family_of(m.estimator) != family || m.variance < kExact) continue;
      series.x.push_back(cost_of(m, budget));
      series.y.push_back(m.variance);
      if (!is_biased(m) && family != kRelaxations && family != kStraightThrough) {
        unbiased.emplace_back(series.x.back(), series.y.back());
      }
    }
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  for (const Series& series : figure.series) {
    for (const double cost : series.x) {
      figure.x.min = std::min(figure.x.min.value_or(cost), 0.8 * cost);
      figure.x.max = std::max(figure.x.max.value_or(cost), 1.25 * cost);
    }
  }
  std::sort(unbiased.begin(), unbiased.end());
  Series steps{.name = "least without bias", .mark = Mark::line, .dashed = true};
  for (const auto& [cost, variance] : unbiased) {
    if (!steps.y.empty() && variance >= steps.y.back()) continue;
    if (!steps.y.empty()) {
      steps.x.push_back(cost);
      steps.y.push_back(steps.y.back());
    }
    steps.x.push_back(cost);
    steps.y.push_back(variance);
  }
  if (!steps.x.empty()) {
    steps.x.push_back(*figure.x.max);
    steps.y.push_back(steps.y.back());
    figure.series.push_back(std::move(steps));
  }
  return {to_svg(figure),
          by_time ? "By time: one estimate among 256 in a call, with its gradient, on one thread."
                  : "By evaluations of f, which is what costs where f is a large network."};
}

Table ranking_table(const VariantResult& variant, Budget budget) {
  const bool by_time = budget == Budget::time;
  Table table{.caption = by_time
                             ? fmt::format("In equal time: {:g} µs", kEqualMicroseconds)
                             : fmt::format("At equal evaluations of f: {:g}", kEqualEvaluations),
              .columns = {{"", Align::right}, {"estimator"}, {"error", Align::right}}};
  for (const Measurement* at : ranking(variant, budget)) {
    table.rows.push_back({fmt::to_string(table.rows.size() + 1), setting_of(*at, variant),
                          Cell(fmt::format("{:.2e}", error_at(*at, budget)), is_biased(*at))});
  }
  return table;
}

void add_ranking(Page& page, const VariantResult& variant) {
  page.subheading("Which to take");
  page.paragraph(
      "The mean of n independent estimates has the n-th part of one's variance, for n times its "
      "cost, and all of its bias. The error is the root mean square of what is left after as many "
      "estimates as a budget pays for; each estimator stands at its best temperature and number of "
      "samples, marked where bias is part of its error.");
  page.tables({ranking_table(variant, Budget::evaluations), ranking_table(variant, Budget::time)});
  page.figures({frontier(variant, Budget::evaluations), frontier(variant, Budget::time)});
}

/// The variance against the number of evaluations, where several were measured.
void add_evaluation_figures(Page& page, const VariantResult& variant) {
  std::vector<CaptionedFigure> figures;
  for (const std::string& family : families(variant.measurements)) {
    Figure figure{
        .title = fmt::format("Variance against evaluations, {}, {}", family, variant.name),
        .x = {.label = "evaluations of f in one estimate",
              .logarithmic = true,
              .min = 0.9,
              .max = 30,
              .ticks = {1, 2, 3, 4, 6, 8, 12, 16, 24}},
        .y = {.label = "variance", .logarithmic = true}};
    for (const Measurement& m : variant.measurements) {
      if (family_of(m.estimator) != family || m.temperature.value_or(0.5) != 0.5) continue;
      if (m.variance < kExact) continue;
      if (figure.series.empty() || figure.series.back().name != name_of(m.estimator)) {
        figure.series.push_back({.name = name_of(m.estimator)});
      }
      figure.series.back().x.push_back(static_cast<double>(m.evaluations));
      figure.series.back().y.push_back(m.variance);
      figure.series.back().error.push_back(m.variance_error);
    }
    figure.height = height_with(figure.series.size());
    const bool any = std::any_of(figure.series.begin(), figure.series.end(),
                                 [](const Series& s) { return s.x.size() > 1; });
    if (any) {
      figures.push_back({to_svg(figure), fmt::format("Variance against evaluations: {}.", family)});
    }
  }
  if (!figures.empty()) page.figures(figures);
}

/// How far E f still is from its best value.
void add_optimization_figures(Page& page, const GradientsResult& result,
                              const VariantResult& variant) {
  const std::string label = fmt::format("{}, distance from the best", result.value_name);
  const std::vector<std::string> all = families(variant.curves);
  double most = 0;
  double least = INFINITY;  // one range for all, down to a millionth of the farthest
  for (const OptimizationCurve& curve : variant.curves) {
    for (const double value : curve.value) {
      most = std::max(most, std::abs(value - variant.best_value));
    }
  }
  for (const OptimizationCurve& curve : variant.curves) {
    for (const double value : curve.value) {
      least = std::min(least, std::max(std::abs(value - variant.best_value), 1e-6 * most));
    }
  }
  std::vector<CaptionedFigure> figures;
  for (const std::string& family : all) {
    Figure figure{
        .title = fmt::format("Optimization, {}, {}", family, variant.name),
        .x = {.label = "step"},
        .y = {.label = label, .logarithmic = true, .min = 0.8 * least, .max = 1.25 * most}};
    for (const OptimizationCurve& curve : variant.curves) {
      if (family_of(curve.estimator) != family) continue;
      Series series{.name = name_of(curve.estimator), .x = curve.step, .mark = Mark::line};
      for (const double value : curve.value) {
        series.y.push_back(std::abs(value - variant.best_value));
      }
      figure.series.push_back(std::move(series));
    }
    figure.height = height_with(figure.series.size());
    figures.push_back(
        {to_svg(figure), fmt::format("{} by step{}{}.", result.value_name,
                                     all.size() > 1 ? ": " : "", all.size() > 1 ? family : "")});
  }
  page.figures(figures);
}

/// Measured points on the closed forms.
void add_variance_over_theta(Page& page, const VariantResult& variant) {
  if (variant.variance_curves.empty()) return;
  Figure figure{.title = "Variance against θ",
                .x = {.label = "θ"},
                .y = {.label = "variance of one estimate", .logarithmic = true}};
  Table table{.caption = "Variance against θ, ± standard errors", .columns = {{"θ", Align::right}}};
  for (const double theta : variant.variance_curves.front().theta) {
    table.rows.push_back({fmt::format("{:g}", theta)});
  }
  for (const VarianceCurve& curve : variant.variance_curves) {
    figure.series.push_back({.name = name_of(curve.estimator),
                             .x = curve.theta,
                             .y = curve.variance,
                             .error = curve.error,
                             .mark = Mark::points});
    table.columns.push_back({name_of(curve.estimator), Align::right});
    table.columns.push_back({"closed form", Align::right});
    for (std::size_t i = 0; i < curve.theta.size(); ++i) {
      table.rows[i].emplace_back(number(curve.variance[i], curve.error[i]));
      table.rows[i].emplace_back(fmt::format("{:.4g}", curve.closed_form[i]));
    }
  }
  for (const VarianceCurve& curve : variant.variance_curves) {
    figure.series.push_back({.name = std::string(name_of(curve.estimator)) + ", closed form",
                             .x = curve.theta,
                             .y = curve.closed_form,
                             .mark = Mark::line,
                             .dashed = true});
  }
  page.heading("Variance against θ");
  page.paragraph(
      "With m = 2θ + 3, the score function's estimate has variance 4(m⁴ + 14m² + 15), the pathwise "
      "one 16 everywhere.");
  page.figures({{to_svg(figure), "Measured (points) and in closed form (dashed)."}});
  page.table(table);
}

}  // namespace

std::string report_html(const GradientsResult& result, const GradientsOptions& options,
                        const std::string& command) {
  Page page(result.title,
            fmt::format("Gradient estimators against the exact gradient. Seed {}.", options.seed));
  page.paragraph(result.description);
  page.paragraph(fmt::format(
      "Bias and variance are those of {} estimates at the start. A marked bias is more than five "
      "standard errors. What an estimator learns (a baseline, a control variate), it has learned "
      "before it is measured.",
      grouped(static_cast<std::uint64_t>(options.samples))));
  for (const VariantResult& variant : result.variants) {
    std::string exact;
    for (const double g : variant.exact_gradient) {
      exact += fmt::format("{}{:.4g}", exact.empty() ? "" : ", ", g);
    }
    page.heading(variant.name);
    page.paragraph(fmt::format("Exact gradient at the start: {}.", exact));
    add_ranking(page, variant);
    page.figures({variance_bars(variant)});
    add_temperature_figures(page, variant);
    add_evaluation_figures(page, variant);
    page.paragraph(fmt::format(
        "Optimization: {} steps from the start, of size {:g} that falls to 0; the mean of {} runs "
        "side by side, which share what an estimator learns. The best value is {:.4g}.",
        grouped(static_cast<std::uint64_t>(options.steps)), variant.step_size, kRuns,
        variant.best_value));
    add_optimization_figures(page, result, variant);
    page.table(measurements_table(variant));
    add_variance_over_theta(page, variant);
  }
  page.note(command);
  return page.html();
}

}  // namespace partita::app
