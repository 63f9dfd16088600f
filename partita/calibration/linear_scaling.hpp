// SPDX-License-Identifier: Apache-2.0
// Vector and matrix scaling (Guo et al. 2017, section 4.2): logits w z + b with a weight for each
// class, or W z + b with a matrix, fitted by maximum likelihood. calibrator.hpp turns them into
// calibrators.
//
//   partita::LinearFit fit = partita::fit_linear_scaling(logits, labels, false);
//
// Matrix scaling has K^2 + K parameters: with too few rows it overfits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {

struct LinearFit {
  FitStatus status = FitStatus::converged;
  std::vector<double> weights;   ///< [K]; or [K, K], whose row k yields logit k
  std::vector<double> bias;      ///< [K], adding up to 0
  double gradient_residual = 0;  ///< largest |derivative| of the mean NLL at the end
  int iterations = 0;
};

/// What is added to the mean NLL: off-diagonal and intercept regularization (Kull et al. 2019).
struct OdirPenalty {
  double off_diagonal =
      0;                 ///< lambda / (K (K - 1)) times the sum of squared weights off the diagonal
  double intercept = 0;  ///< mu / K times the sum of squared biases
};

/// Minimizes the mean NLL, which is convex, by L-BFGS (libLBFGS) from w = 1 (W = I), b = 0,
/// or from a smaller w where the logits are so large that their softmax has no slope.
/// The likelihood has no maximum if a class has no label, or if the scaled logits are right about
/// every row: the status is then not_attained, and the weights must not be used.
/// @param logits finite. @throws InvalidArgument as fit_temperature, and for -inf
/// @param penalty >= 0; its off-diagonal part is of a matrix
LinearFit fit_linear_scaling(Rows logits, std::span<const std::int64_t> labels, bool matrix,
                             int threads = 1, const Progress& progress = {},
                             const OdirPenalty& penalty = {});

}  // namespace partita
