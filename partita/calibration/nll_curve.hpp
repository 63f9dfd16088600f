// SPDX-License-Identifier: Apache-2.0
// How the negative log-likelihood depends on the temperature, for the figure of a fit.
//
//   partita::TemperatureFit fit = partita::fit_temperature(logits, labels);
//   partita::NllCurve curve = partita::nll_curve(logits, labels, fit.temperature);
//   plot(curve.temperature, curve.nll);                 // least at fit.temperature
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/calibration/predictions.hpp"

namespace partita {

/// N at temperatures T, in nats (temperature.hpp).
struct NllCurve {
  std::vector<double> temperature;  ///< ascending
  std::vector<double> nll;
};

/// The curve at 25 temperatures, evenly spaced in log T, from half of the smaller of `temperature`
/// and 1 to twice the larger, so that both the fit and the logits as they are lie inside.
/// @param temperature > 0 and finite
/// @throws InvalidArgument if it is not, and as temperature_nll()
NllCurve nll_curve(const Predictions& predictions, std::span<const std::int64_t> labels,
                   double temperature, int threads = 1);

}  // namespace partita
