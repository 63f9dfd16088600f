// SPDX-License-Identifier: Apache-2.0
#include "partita/base/internal/logistic.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

namespace partita {

namespace {

using Eigen::ArrayXd;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kMostIterations = 200;
constexpr double kTolerance = 1e-11;
constexpr double kRounding = 1e-13;

/// log(1 + exp(x))
ArrayXd softplus(const ArrayXd& x) { return x.max(0) + (-x.abs()).exp().log1p(); }

double mean_nll(const MatrixXd& features, const VectorXd& targets, const VectorXd& weights) {
  const ArrayXd logit = features * weights;
  return (softplus(logit) - targets.array() * logit).mean();
}

/// Whether every row's probability is on its target's side of 1/2.
bool right_everywhere(const ArrayXd& logit, const VectorXd& targets) {
  return (logit * (targets.array() - 0.5) > 0).all();
}

}  // namespace

LogisticFit fit_logistic(const MatrixXd& features, const VectorXd& targets) {
  const auto rows = static_cast<double>(features.rows());
  // Features of mean square 1, so that one tolerance suits all.
  const VectorXd scale = features.colwise().squaredNorm().array().sqrt().matrix() / std::sqrt(rows);
  LogisticFit fit{.weights = VectorXd::Zero(features.cols())};
  if (!(scale.minCoeff() > 0)) {
    fit.status = FitStatus::undetermined;
    return fit;
  }
  const MatrixXd x = features * scale.cwiseInverse().asDiagonal();
  const bool binary = (targets.array() == 0 || targets.array() == 1).all();
  VectorXd& w = fit.weights;
  for (;; ++fit.iterations) {
    const ArrayXd logit = x * w;
    const ArrayXd p = (-softplus(-logit)).exp();
    const VectorXd gradient = x.transpose() * (p.matrix() - targets) / rows;
    fit.gradient_residual = gradient.cwiseAbs().maxCoeff();
    if (binary && right_everywhere(logit, targets)) fit.status = FitStatus::not_attained;
    if (fit.gradient_residual < kTolerance || fit.status != FitStatus::converged) break;
    if (fit.iterations == kMostIterations) {
      fit.status = FitStatus::iteration_limit;
      break;
    }
    const MatrixXd hessian = x.transpose() * (p * (1 - p)).matrix().asDiagonal() * x / rows;
    const Eigen::LDLT<MatrixXd> factor(hessian);
    const VectorXd step = factor.solve(gradient);
    if (factor.rcond() < 1e-14 || !step.allFinite()) {
      fit.status = FitStatus::undetermined;
      break;
    }
    // Next to the minimum, what a step takes off is less than the value's rounding.
    const double most = mean_nll(x, targets, w) * (1 + kRounding);
    double length = 1;
    while (mean_nll(x, targets, w - length * step) > most && length > kRounding) length /= 2;
    w -= length * step;
  }
  w = w.cwiseQuotient(scale);
  return fit;
}

}  // namespace partita
