// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/sampler/internal/edits.hpp"
#include "partita/sampler/internal/rules.hpp"

namespace partita {

namespace sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double largest(std::span<const double> logits) {
  return *std::max_element(logits.begin(), logits.end());
}

/// (z - max z) / T, with the softmax of z / T and no overflow however small T is; or z / T itself,
/// as far as it is finite.
void divide(std::span<double> logits, double temperature, bool moves) {
  const double max = moves ? largest(logits) : 0;
  for (double& z : logits) {
    if (z == -kInfinity) continue;
    z = (z - max) / temperature;
    if (!moves)
      z = std::clamp(z, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
  }
}

double temperature_by_entropy(const SamplerSettings& settings, std::span<const double> logits) {
  const RowSums sums = sum_of(logits, largest(logits), {.exp = true, .x_exp = true});
  const auto impossible = std::count(logits.begin(), logits.end(), -kInfinity);
  return dynamic_temperature(settings, entropy(sums).low,
                             logits.size() - static_cast<std::size_t>(impossible));
}

void exclude_top_choices(const SamplerSettings& settings, const Stream& stream,
                         std::span<double> logits) {
  if (!excludes_top_choices(settings, stream)) return;
  const double max = largest(logits);
  const double total = sum_of(logits, max, needs(SamplerStep::xtc)).exp.low;
  const double cut = std::log(settings.xtc_threshold) + std::log(total);
  double least = 0;
  for (const double z : logits) {
    const double x = z - max;
    if (z != -kInfinity && x < least && x >= cut) least = x;
  }
  for (double& z : logits) {
    if (z - max > least) z = -kInfinity;
  }
}

/// Adaptive-p, as in llama.cpp.
void prefer_target(const SamplerSettings& settings, std::span<double> logits) {
  constexpr double kWidth = 0.3;
  constexpr double kPeak = 5;
  constexpr double kSharpness = 10;
  const AdaptiveState& state = *settings.adaptive_state;
  const double average =
      state.total_weight > 0 ? state.weighted_sum / state.total_weight : settings.adaptive_target;
  const double target = std::clamp(2 * settings.adaptive_target - average, 0.0, 1.0);
  const double max = largest(logits);
  const double total = sum_of(logits, max, {.exp = true}).exp.low;
  for (double& z : logits) {
    if (z == -kInfinity) continue;
    const double distance = std::abs(std::exp(z - max) / total - target) / kWidth;
    z = kPeak - kSharpness * distance * distance / (1 + distance);
  }
}

}  // namespace

double dynamic_temperature(const SamplerSettings& settings, double entropy, std::size_t possible) {
  if (possible < 2) return settings.temperature;
  const double low = std::max(0.0, settings.temperature - settings.dynatemp_range);
  const double high = settings.temperature + settings.dynatemp_range;
  const double share = std::clamp(entropy / std::log(static_cast<double>(possible)), 0.0, 1.0);
  // A temperature of 0 has a limit: only the most likely is left.
  return std::max(low + (high - low) * std::pow(share, settings.dynatemp_exponent),
                  std::numeric_limits<double>::min());
}

bool excludes_top_choices(const SamplerSettings& settings, const Stream& stream) {
  return stream.uniform(0) < settings.xtc_probability;
}

void Candidates::compact() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == -kInfinity) continue;
    ids[kept] = ids[i];
    logits[kept++] = logits[i];
  }
  ids.resize(kept);
  logits.resize(kept);
}

void apply_step(SamplerStep step, const SamplerSettings& settings, const Stream& stream,
                std::size_t categories, std::span<const std::int64_t> ids,
                std::span<double> logits) {
  const auto lookup = [&](std::int32_t token) -> double* {
    if (ids.empty()) return &logits[static_cast<std::size_t>(token)];
    const auto found = std::lower_bound(ids.begin(), ids.end(), token);
    if (found == ids.end() || *found != token) return nullptr;
    return &logits[static_cast<std::size_t>(found - ids.begin())];
  };
  switch (step) {
    case SamplerStep::no_repeat_ngram:
      return apply_no_repeat_ngram(settings, logits, lookup);
    case SamplerStep::penalties:
      return apply_penalties(settings, lookup);
    case SamplerStep::dry:
      return apply_dry(settings, lookup);
    case SamplerStep::temperature:
      return divide(logits,
                    settings.dynatemp_range > 0 ? temperature_by_entropy(settings, logits)
                                                : settings.temperature,
                    !penalizes_after_temperature(settings));
    case SamplerStep::xtc:
      return exclude_top_choices(settings, stream, logits);
    case SamplerStep::adaptive_p:
      return prefer_target(settings, logits);
    default: {
      const double max = largest(logits);
      decide(step, settings, logits, max, -kInfinity, categories, sum_of(logits, max, needs(step)));
    }
  }
}

}  // namespace sampler

void apply_settings(const SamplerSettings& settings, const Stream& stream,
                    std::span<double> logits) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] < kInfinity)) {
      throw InvalidArgument(
          "logits", fmt::format("{} at column {}", std::isnan(logits[i]) ? "NaN" : "+inf", i));
    }
  }
  sampler::apply_logit_bias(
      settings, [&](std::int32_t token) { return &logits[static_cast<std::size_t>(token)]; });
  sampler::apply_allowed(settings, logits);
  if (std::all_of(logits.begin(), logits.end(), [](double z) { return z == -kInfinity; })) {
    throw InvalidArgument("logits", "every category is impossible (all -inf)");
  }
  for (const SamplerStep step : settings.order) {
    if (settings.uses(step)) sampler::apply_step(step, settings, stream, logits.size(), {}, logits);
  }
}

}  // namespace partita
