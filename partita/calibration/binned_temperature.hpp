// SPDX-License-Identifier: Apache-2.0
// A temperature for each kind of row: of a language model, say, whose first tokens, or whose unsure
// ones, are as badly calibrated as no single temperature can be right for.
//
//   partita::Predictions tokens(logits);
//   tokens.by = positions;                     // a number for each row; without, their entropy
//   auto fit = partita::fit_calibrator(partita::CalibrationMethod::binned_temperature, tokens, y);
//
// Bins of equally many rows have temperatures of their own, each by maximum likelihood
// (temperature.hpp). A bin whose likelihood has no maximum takes the temperature of all rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/calibration/predictions.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {

/// softmax(z / temperature of the row's bin).
struct BinnedTemperature {
  bool of_entropy = true;            ///< bins are of the entropy of softmax(z), in nats; else of
                                     ///< Predictions::by
  std::vector<double> upper = {};    ///< bin b holds numbers above upper[b - 1] and up to upper[b]
  std::vector<double> temperatures;  ///< of each bin: one more, since the last has no end

  double at(double number) const;
};

struct BinnedTemperatureFit {
  FitStatus status = FitStatus::converged;  ///< of one temperature for all rows
  BinnedTemperature scaling = {};           ///< if it converged
  int iterations = 0;                       ///< the most of a bin
  double gradient_residual = 0;             ///< the same
};

/// @param bins at most so many, and fewer where rows have equal numbers
/// @throws InvalidArgument as fit_temperature; if bins = 0; unless predictions.by is empty or has a
///         number for each row
BinnedTemperatureFit fit_binned_temperature(const Predictions& predictions,
                                            std::span<const std::int64_t> labels, std::size_t bins,
                                            int threads = 1, const Progress& progress = {});

}  // namespace partita
