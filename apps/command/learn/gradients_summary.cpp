// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/gradients_summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>

namespace partita::app {
namespace {

std::string measurement_text(const Measurement& m) {
  return fmt::format("  {:<24} {:>5} {:>3} {:>5}  {:>10.2e} ±{:>8.1e}  {:>10.3e} ±{:>8.1e}\n",
                     name_of(m.estimator), m.temperature ? fmt::format("{:g}", *m.temperature) : "",
                     m.samples, m.evaluations, m.bias, m.bias_error, m.variance, m.variance_error);
}

std::string curve_text(const OptimizationCurve& curve) {
  return fmt::format("  {:<24} {:.6f} ± {:.6f}\n", name_of(curve.estimator), curve.value.back(),
                     curve.error.back());
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
          {"variance_standard_error", m.variance_error}};
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
    out += fmt::format("  {:<24} {:>5} {:>3} {:>5}  {:^20}  {:^20}\n", "estimator", "temp", "k",
                       "evals", "bias", "variance");
    for (const Measurement& m : variant.measurements) out += measurement_text(m);
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
