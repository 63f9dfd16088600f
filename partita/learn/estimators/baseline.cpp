// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/baseline.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::estimators {

Advantage::Advantage(Baseline baseline) : baseline_(std::move(baseline)) {
  if (const auto* average = std::get_if<baselines::MovingAverage>(&baseline_)) {
    check_in("decay", average->decay, "[0, 1)");
  }
  if (const auto* learned = std::get_if<baselines::Learned>(&baseline_)) {
    if (!learned->function) throw InvalidArgument("function", "Learned: expected a function");
  }
}

Advantage::Result Advantage::operator()(const Tensor& values, std::int64_t samples_dim) {
  const std::int64_t samples = values.size(samples_dim);
  if (const auto* average = std::get_if<baselines::MovingAverage>(&baseline_)) {
    auto& [sum, weight] = average_;
    const double mean = weight == 0 ? 0 : sum / weight;
    sum = average->decay * sum + (1 - average->decay) * values.mean().item<double>();
    weight = average->decay * weight + (1 - average->decay);
    return {values - mean, {}};
  }
  if (std::holds_alternative<baselines::LeaveOneOut>(baseline_)) {
    check_at_least("samples", samples, 2, "for LeaveOneOut");
    const auto n = static_cast<double>(samples);
    return {(values - values.mean(samples_dim, true)) * (n / (n - 1)), {}};
  }
  if (const auto* learned = std::get_if<baselines::Learned>(&baseline_)) {
    const Tensor baseline = learned->function();
    if (!at::is_expandable_to(baseline.sizes(), values.sizes())) {
      throw InvalidArgument("function",
                            fmt::format("Learned: expected a shape that broadcasts to {}, got {}",
                                        to_string(values.sizes()), to_string(baseline.sizes())));
    }
    const Tensor error = values - baseline;
    return {error.detach(), error.square().sum() / static_cast<double>(samples)};
  }
  return {values, {}};
}

std::vector<Tensor> Advantage::parameters() const {
  const auto* learned = std::get_if<baselines::Learned>(&baseline_);
  return learned == nullptr ? std::vector<Tensor>{} : learned->parameters;
}

}  // namespace partita::estimators
