// SPDX-License-Identifier: Apache-2.0
// The energy of the logits that a changed last layer, or changed features, have: react, dice,
// ash-s, scale.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "partita/detection/internal/block_score.hpp"
#include "partita/detection/internal/quantile.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

double percentile_of(const DetectorOptions& options, double usual) {
  return options.percentile.value_or(usual);
}

/// Features in the order of their size, of which the first `kept` are the largest.
class Largest {
 public:
  /// All but a rounded share of them, at least one.
  Largest(Index columns, double percentile) : order_(static_cast<std::size_t>(columns)) {
    const double pruned = std::nearbyint(static_cast<double>(columns) * percentile / 100);
    kept_ = std::max<Index>(1, columns - static_cast<Index>(pruned));
  }

  template <class Features>
  std::span<const Index> of(const Features& x) {
    std::iota(order_.begin(), order_.end(), Index{0});
    std::nth_element(order_.begin(), order_.begin() + (kept_ - 1), order_.end(),
                     [&](Index a, Index b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
    return {order_.data(), static_cast<std::size_t>(kept_)};
  }

 private:
  Index kept_;
  std::vector<Index> order_;
};

}  // namespace

BlockScore fit_react(const Learning& known) {
  const double most = quantile(known.rows, percentile_of(known.options, 90) / 100);
  return [layer = known.layer, most](const MatrixXd& x) {
    return energies(layer->logits(x.cwiseMin(most)));
  };
}

BlockScore fit_dice(const Learning& known) {
  Layer sparse = *known.layer;
  const MatrixXd contribution = sparse.weight * mean_row(known).asDiagonal();
  const Rows values(contribution.data(), 1, static_cast<std::size_t>(contribution.size()));
  const double least = quantile(values, percentile_of(known.options, 90) / 100);
  sparse.weight = (contribution.array() > least).select(sparse.weight, 0);
  return [layer = std::make_shared<const Layer>(std::move(sparse))](const MatrixXd& x) {
    return energies(layer->logits(x));
  };
}

BlockScore shaped_energy(const SharedLayer& layer, Shaping shaping,
                         const DetectorOptions& options) {
  const bool pruned = shaping == Shaping::ash_s;
  const double percentile = percentile_of(options, pruned ? 90 : 85);
  return [layer, pruned, percentile](const MatrixXd& rows) {
    MatrixXd shaped = pruned ? MatrixXd::Zero(rows.rows(), rows.cols()) : rows;
    Largest largest(rows.rows(), percentile);
    for (Index i = 0; i < rows.cols(); ++i) {
      const auto x = rows.col(i);
      double kept = 0;
      for (const Index c : largest.of(x)) {
        kept += x[c];
        shaped(c, i) = x[c];
      }
      shaped.col(i) *= std::exp(x.sum() / kept);
    }
    return energies(layer->logits(shaped));
  };
}

}  // namespace partita
