// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/ranking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace partita::app {

double cost_of(const Measurement& at, Budget budget) {
  return budget == Budget::evaluations ? static_cast<double>(at.evaluations) : at.microseconds;
}

bool is_biased(const Measurement& at) {
  constexpr double kRounding = 1e-12;
  return std::abs(at.bias) > 5 * at.bias_error + kRounding;
}

double error_at(const Measurement& at, Budget budget) {
  const double square = std::max(0.0, at.bias * at.bias - at.bias_error * at.bias_error);
  const double all = budget == Budget::evaluations ? kEqualEvaluations : kEqualMicroseconds;
  return std::sqrt(square + at.variance * cost_of(at, budget) / all);
}

std::vector<const Measurement*> ranking(const VariantResult& variant, Budget budget) {
  std::vector<const Measurement*> best;
  for (const Measurement& at : variant.measurements) {
    const auto same = std::find_if(best.begin(), best.end(), [&](const Measurement* other) {
      return other->estimator == at.estimator;
    });
    if (same == best.end()) {
      best.push_back(&at);
    } else if (error_at(at, budget) < error_at(**same, budget)) {
      *same = &at;
    }
  }
  std::stable_sort(best.begin(), best.end(), [&](const Measurement* a, const Measurement* b) {
    return error_at(*a, budget) < error_at(*b, budget);
  });
  return best;
}

std::string setting_of(const Measurement& at, const VariantResult& variant) {
  std::string out = name_of(at.estimator);
  if (at.temperature) out += fmt::format(", τ = {:g}", *at.temperature);
  const bool several = std::any_of(
      variant.measurements.begin(), variant.measurements.end(), [&](const Measurement& other) {
        return other.estimator == at.estimator && other.samples != at.samples;
      });
  if (several) out += fmt::format(", k = {}", at.samples);
  return out;
}

}  // namespace partita::app
