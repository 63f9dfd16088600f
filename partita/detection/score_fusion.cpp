// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/score_fusion.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/internal/logistic.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// [rows, scores], the known rows first.
MatrixXd all_scores(std::span<const ScoredSides> detectors) {
  const std::size_t in = detectors.front().in.size();
  const std::size_t out = detectors.front().out.size();
  check_at_least("in", in, 1, "rows");
  check_at_least("out", out, 1, "rows");
  MatrixXd scores(Index(in + out), Index(detectors.size()));
  for (std::size_t d = 0; d < detectors.size(); ++d) {
    check_size("in", detectors[d].in.size(), in, "rows of the first detector");
    check_size("out", detectors[d].out.size(), out, "rows of the first detector");
    const auto column = [&](std::size_t r) {
      return r < in ? detectors[d].in[r] : detectors[d].out[r - in];
    };
    for (std::size_t r = 0; r < in + out; ++r) {
      if (!std::isfinite(column(r))) {
        throw InvalidArgument(r < in ? "in" : "out",
                              fmt::format("detector {}, row {}: expected a number, got {}", d,
                                          r < in ? r : r - in, column(r)));
      }
      scores(Index(r), Index(d)) = column(r);
    }
  }
  return scores;
}

/// Refuses scores of which one is a sum of others: their weights would be anything.
void check_independent(const MatrixXd& centered) {
  const MatrixXd unit = centered.colwise().normalized();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(unit.transpose() * unit,
                                                      Eigen::EigenvaluesOnly);
  if (eigen.eigenvalues()[0] < 1e-10) {
    throw InvalidArgument("detectors", "one score is a sum of others: leave it out");
  }
}

}  // namespace

ScoreFusion fit_score_fusion(std::span<const ScoredSides> detectors) {
  check_at_least("detectors", detectors.size(), 1);
  MatrixXd features = all_scores(detectors);
  const Eigen::RowVectorXd mean = features.colwise().mean();
  features.rowwise() -= mean;
  for (Index d = 0; d < features.cols(); ++d) {
    if (!(features.col(d).cwiseAbs().maxCoeff() > 1e-12 * std::abs(mean[d]))) {
      throw InvalidArgument("detectors", fmt::format("detector {}: all scores are equal", d));
    }
  }
  check_independent(features);
  const Index scores = features.cols();
  features.conservativeResize(Eigen::NoChange, scores + 1);
  features.col(scores).setOnes();
  const auto in = static_cast<double>(detectors.front().in.size());
  const auto out = static_cast<double>(detectors.front().out.size());
  VectorXd targets = VectorXd::Constant(features.rows(), 1 / (out + 2));
  targets.head(Index(detectors.front().in.size())).setConstant((in + 1) / (in + 2));
  const LogisticFit fit = fit_logistic(features, targets);
  if (fit.status != FitStatus::converged) {
    throw InvalidArgument("detectors", fmt::format("no fusion: {}", name_of(fit.status)));
  }
  ScoreFusion fusion{{fit.weights.begin(), fit.weights.begin() + scores},
                     fit.weights[scores] - std::log(in / out)};
  fusion.bias -= mean.dot(fit.weights.head(scores));
  return fusion;
}

std::vector<double> fused_scores(const ScoreFusion& fusion,
                                 std::span<const std::span<const double>> scores) {
  check_size("scores", scores.size(), fusion.weights.size(), "one list for each weight");
  std::vector<double> out(scores.empty() ? 0 : scores.front().size(), fusion.bias);
  for (std::size_t d = 0; d < scores.size(); ++d) {
    check_size("scores", scores[d].size(), out.size(), "rows of the first detector");
    for (std::size_t r = 0; r < out.size(); ++r) out[r] += fusion.weights[d] * scores[d][r];
  }
  return out;
}

}  // namespace partita
