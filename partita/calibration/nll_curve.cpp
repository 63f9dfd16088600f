// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/nll_curve.hpp"

#include <algorithm>
#include <cmath>

#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/logits_of.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {

NllCurve nll_curve(const Predictions& predictions, std::span<const std::int64_t> labels,
                   double temperature, int threads) {
  check_in("temperature", temperature, "(0, inf)");
  constexpr int kPoints = 25;
  const double low = std::log(std::min(temperature, 1.0) / 2);
  const double high = std::log(std::max(temperature, 1.0) * 2);
  const LogitsOf logits(predictions, /*finite=*/false, threads);
  NllCurve curve;
  for (int i = 0; i < kPoints; ++i) {
    const double at = std::exp(low + (high - low) * i / (kPoints - 1));
    curve.temperature.push_back(at);
    curve.nll.push_back(temperature_nll(logits.rows(), labels, at, threads));
  }
  return curve;
}

}  // namespace partita
