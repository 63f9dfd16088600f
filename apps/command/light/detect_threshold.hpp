// SPDX-License-Identifier: Apache-2.0
// A score and where known inputs end, as `partita detect threshold` writes it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "apps/command/light/detect_score.hpp"

namespace partita::app {

using Shape = std::array<std::size_t, 2>;  // rows and columns

struct Threshold {
  ScoreOptions score;
  double threshold = 0;                // rows with this score or more are in
  double tpr = 0;                      // the share of known rows to accept
  std::optional<double> alpha = {};    // instead: the probability of rejecting a new one
  double accepted = 0;                 // the share that is accepted
  std::size_t rows = 0;                // number of known rows
  std::size_t columns = 0;             // of them; 0 in files of older versions
  std::optional<Shape> features = {};  // of the training features
  std::optional<Shape> layer = {};     // of the last layer's weights
};

/// conformal_threshold() of the scores of a file.
/// @throws DataError naming the file if they are too few for alpha
double conformal_threshold_of(std::span<const double> known, double alpha, const std::string& path);

Json to_json(const Threshold& threshold);

/// @throws IoError; DataError if the file is not a threshold
Threshold read_threshold(const std::string& path);

}  // namespace partita::app
