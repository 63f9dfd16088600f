// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/gradients_summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>

#include "apps/experiments/gradients/ranking.hpp"

namespace partita::app {
namespace {

std::string measurement_text(const Measurement& m) {
  return fmt::format("  {:<26} {:>5} {:>3} {:>5}  {:>10.2e} ±{:>8.1e}  {:>10.3e} ±{:>8.1e}\n",
                     name_of(m.estimator), m.temperature ? fmt::format("{:g}", *m.temperature) : "",
                     m.samples, m.evaluations, m.bias, m.bias_error, m.variance, m.variance_error);
}

std::string curve_text(const OptimizationCurve& curve) {
  return fmt::format("  {:<26} {:.6f} ± {:.6f}\n", name_of(curve.estimator), curve.value.back(),
                     curve.error.back());
}

/// Two lists side by side: by error at equal evaluations, and at equal time.
std::string ranking_text(const VariantResult& variant) {
  const auto by_evaluations = ranking(variant, Budget::evaluations);
  const auto by_time = ranking(variant, Budget::time);
  std::string out = fmt::format("  {:<50} {:<50}\n",
                                fmt::format("error with {:g} evaluations of f", kEqualEvaluations),
                                fmt::format("error in {:g} µs", kEqualMicroseconds));
  const auto cell = [&](const Measurement& at, Budget budget) {
    return fmt::format("{:<41} {:>8.1e}", setting_of(at, variant), error_at(at, budget));
  };
  for (std::size_t i = 0; i < by_time.size(); ++i) {
    out += fmt::format("  {} {}\n", cell(*by_evaluations[i], Budget::evaluations),
                       cell(*by_time[i], Budget::time));
  }
  return out;
}

Json measurement_json(const Measurement& m) {
  Json temperature = nullptr;
  if (m.temperature) temperature = *m.temperature;
  return {{"estimator", name_of(m.estimator)},
          {"temperature", std::move(temperature)},
          {"samples", m.samples},
          {"evaluations", m.evaluations},
          {"bias", m.bias},
          {"bias_standard_error", m.bias_error},
          {"variance", m.variance},
          {"variance_standard_error", m.variance_error},
          {"microseconds", m.microseconds},
          {"error_at_equal_evaluations", error_at(m, Budget::evaluations)},
          {"error_at_equal_time", error_at(m, Budget::time)}};
}

Json variant_json(const VariantResult& variant) {
  Json measurements = Json::array();
  for (const Measurement& m : variant.measurements) measurements.push_back(measurement_json(m));
  Json curves = Json::array();
  for (const OptimizationCurve& c : variant.curves) {
    curves.push_back({{"estimator", name_of(c.estimator)},
                      {"step", c.step},
                      {"value", c.value},
                      {"standard_error", c.error}});
  }
  Json variance = Json::array();
  for (const VarianceCurve& c : variant.variance_curves) {
    variance.push_back({{"estimator", name_of(c.estimator)},
                        {"theta", c.theta},
                        {"variance", c.variance},
                        {"standard_error", c.error},
                        {"closed_form", c.closed_form}});
  }
  return {{"name", variant.name},
          {"start", variant.start},
          {"exact_gradient", variant.exact_gradient},
          {"best_value", variant.best_value},
          {"step_size", variant.step_size},
          {"measurements", std::move(measurements)},
          {"optimization", std::move(curves)},
          {"variance_over_theta", std::move(variance)}};
}

}  // namespace

std::string summary_text(const GradientsResult& result) {
  std::string out = fmt::format("{}\n", result.description);
  for (const VariantResult& variant : result.variants) {
    out += fmt::format("\n{}: exact gradient {:.6g}\n", variant.name,
                       fmt::join(variant.exact_gradient, ", "));
    out += fmt::format("  {:<26} {:>5} {:>3} {:>5}  {:^20}  {:^20}\n", "estimator", "temp", "k",
                       "evals", "bias", "variance");
    for (const Measurement& m : variant.measurements) out += measurement_text(m);
    out += ranking_text(variant);
    out += fmt::format("  {} after {:g} steps (best {:.6f}):\n", result.value_name,
                       variant.curves.front().step.back(), variant.best_value);
    for (const OptimizationCurve& curve : variant.curves) out += curve_text(curve);
  }
  return out;
}

Json summary_json(const GradientsResult& result, const GradientsOptions& options,
                  const std::string& report) {
  Json variants = Json::array();
  for (const VariantResult& variant : result.variants) variants.push_back(variant_json(variant));
  return {{"problem", name_of(kGradientsProblems, options.problem)},
          {"variants", std::move(variants)},
          {"samples", options.samples},
          {"steps", options.steps},
          {"runs", kRuns},
          {"report", report},
          {"seed", options.seed}};
}

}  // namespace partita::app
