// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "partita/detection/internal/block_score.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// log p, where what is too small to be a probability counts as the smallest.
MatrixXd log_of(const MatrixXd& p) {
  return p.array().max(std::numeric_limits<double>::min()).log().matrix();
}

}  // namespace

BlockScore fit_kl_matching(const Learning& known) {
  MatrixXd sums;    // [K, K]: column c of the rows predicted as c
  VectorXd counts;  // [K]
  for_each_known(
      known,
      [&](std::size_t, const MatrixXd& block) {
        const MatrixXd z = known.logits(block);
        const MatrixXd p = probabilities(z);
        if (sums.size() == 0) {
          sums = MatrixXd::Zero(z.rows(), z.rows());
          counts = VectorXd::Zero(z.rows());
        }
        for (Index i = 0; i < z.cols(); ++i) {
          const Index y = predicted(z, i);
          sums.col(y) += p.col(i);
          counts[y] += 1;
        }
      },
      known.options.progress);
  MatrixXd typical(sums.rows(), (counts.array() > 0).count());  // of the classes predicted at all
  Index next = 0;
  for (Index c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0) typical.col(next++) = sums.col(c) / counts[c];
  }
  return [layer = known.layer, log_typical = log_of(typical)](const MatrixXd& rows) -> VectorXd {
    const MatrixXd p = probabilities(layer ? layer->logits(rows) : rows);
    const Eigen::RowVectorXd negentropy = p.cwiseProduct(log_of(p)).colwise().sum();
    const MatrixXd cross = log_typical.transpose() * p;  // [classes, rows]: sum of p log d
    return (cross.colwise().maxCoeff() - negentropy).transpose();
  };
}

}  // namespace partita
