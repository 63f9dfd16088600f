// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/block_score.hpp"
#include "partita/detection/internal/nearest.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

BlockScore fit_nnguide(const Learning& known) {
  const std::size_t k = known.options.k.value_or(10);
  check_between("k", k, 1, known.rows.rows(), "training rows");
  std::vector<double> weights;  // their energies
  for_each_known(
      known,
      [&](std::size_t, const MatrixXd& x) {
        const VectorXd energy = energies(known.layer->logits(x));
        weights.insert(weights.end(), energy.begin(), energy.end());
      },
      known.options.progress);
  return [layer = known.layer, training = known.rows, weights = std::move(weights),
          k](const MatrixXd& x) {
    VectorXd out = energies(layer->logits(x));
    const auto found =
        nearest(directions(x), training, k, [&](std::size_t row) { return weights[row]; });
    for (Index i = 0; i < x.cols(); ++i) {
      double guidance = 0;
      for (const auto& [similarity, row] : found[static_cast<std::size_t>(i)].rows()) {
        guidance += similarity;
      }
      out[i] *= guidance / static_cast<double>(k);
    }
    return out;
  };
}

}  // namespace partita
