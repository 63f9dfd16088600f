// SPDX-License-Identifier: Apache-2.0
// Logistic regression with a few features, by Newton's method. Not installed.
#pragma once

#include <Eigen/Core>

#include "partita/base/fit_status.hpp"

namespace partita {

struct LogisticFit {
  FitStatus status = FitStatus::converged;
  Eigen::VectorXd weights;  ///< one for each feature
  int iterations = 0;
  double gradient_residual = 0;  ///< largest |derivative| of the mean NLL at the end
};

/// Minimizes the mean of -t log p - (1 - t) log(1 - p) over rows, p = 1 / (1 + exp(-w' x)).
/// The status is not_attained if the weights are right about every row, undetermined if features
/// depend on each other.
/// @param features [rows, features], finite
/// @param targets  [rows], in [0, 1]
LogisticFit fit_logistic(const Eigen::MatrixXd& features, const Eigen::VectorXd& targets);

}  // namespace partita
