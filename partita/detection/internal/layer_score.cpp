// SPDX-License-Identifier: Apache-2.0
// Scores that set features beside the last layer or the classes' means: gradnorm, she, vim, fdbd.
#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/block_score.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

BlockScore gradient_norm(const SharedLayer& layer) {
  return [layer](const MatrixXd& x) -> VectorXd {
    const MatrixXd p = probabilities(layer->logits(x));
    const double uniform = 1 / static_cast<double>(p.rows());
    const auto apart = (p.array() - uniform).matrix().colwise().lpNorm<1>();
    return x.colwise().lpNorm<1>().cwiseProduct(apart).transpose();
  };
}

BlockScore fit_she(const Learning& known) {
  return [layer = known.layer,
          patterns = means_of_right(known, MeanOf::rows, "she")](const MatrixXd& x) {
    const MatrixXd z = layer->logits(x);
    VectorXd out(x.cols());
    for (Index i = 0; i < x.cols(); ++i) out[i] = x.col(i).dot(patterns.col(predicted(z, i)));
    return out;
  };
}

namespace {

/// What the paper and its code take.
std::size_t usual_dimension(std::size_t columns) {
  return columns >= 2048 ? 1000 : columns >= 768 ? 512 : columns / 2;
}

/// Eigenvectors of the mean (x - origin)(x - origin)', but those of the `dimension` largest values.
MatrixXd residual_space(const Learning& known, const VectorXd& origin, std::size_t dimension) {
  const Index columns = origin.size();
  MatrixXd moments = MatrixXd::Zero(columns, columns);
  for_each_known(
      known,
      [&](std::size_t, MatrixXd x) {
        x.colwise() -= origin;
        add_outer_products(x, known.options.threads, moments);
      },
      known.options.progress);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(moments);  // of the lower half; increasing
  return eigen.eigenvectors().leftCols(columns - Index(dimension));
}

}  // namespace

BlockScore fit_vim(const Learning& known) {
  const Layer& layer = *known.layer;
  const std::size_t dimension = known.options.dimension.value_or(usual_dimension(layer.columns()));
  check_between("dimension", dimension, 0, layer.columns() - 1, "fewer than features");
  const VectorXd origin =
      -layer.weight.completeOrthogonalDecomposition().solve(layer.bias);  // the shortest solution
  const MatrixXd space = residual_space(known, origin, dimension);
  double logits = 0;
  double residuals = 0;
  for_each_known(known, [&](std::size_t, const MatrixXd& x) {
    logits += layer.logits(x).colwise().maxCoeff().sum();
    residuals += (space.transpose() * (x.colwise() - origin)).colwise().norm().sum();
  });
  if (!(residuals > 0)) {
    throw InvalidArgument("dimension", "known rows do not leave the principal space: use fewer");
  }
  return [layer = known.layer, origin, space,
          scale = logits / residuals](const MatrixXd& x) -> VectorXd {
    const VectorXd residual =
        (space.transpose() * (x.colwise() - origin)).colwise().norm().transpose();
    return energies(layer->logits(x)) - scale * residual;
  };
}

BlockScore fit_fdbd(const Learning& known) {
  const MatrixXd& weight = known.layer->weight;
  const Index classes = weight.rows();
  MatrixXd inverse = MatrixXd::Zero(classes, classes);  // 1 / |w_y - w_c|, symmetric
  for (Index y = 0; y < classes; ++y) {
    for (Index c = 0; c < y; ++c) {
      const double apart = (weight.row(y) - weight.row(c)).norm();
      if (!(apart > 0)) {
        throw InvalidArgument(
            "layer",
            fmt::format("classes {} and {} have the same weight: fdbd has no boundary", c, y));
      }
      inverse(c, y) = inverse(y, c) = 1 / apart;
    }
  }
  return [layer = known.layer, inverse = std::move(inverse),
          mean = mean_row(known)](const MatrixXd& x) {
    const MatrixXd z = layer->logits(x);
    VectorXd out(x.cols());
    for (Index i = 0; i < x.cols(); ++i) {
      const Index y = predicted(z, i);
      const double distances = (z(y, i) - z.col(i).array()).matrix().dot(inverse.col(y));
      const double from_mean = (x.col(i) - mean).norm();
      // At the mean itself the quotient has no bound, unless it is on every boundary.
      out[i] = distances == 0 ? 0 : distances / (static_cast<double>(z.rows() - 1) * from_mean);
    }
    return out;
  };
}

}  // namespace partita
