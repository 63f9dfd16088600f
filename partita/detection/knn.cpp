// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/knn.hpp"

#include <algorithm>
#include <cmath>

#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/features.hpp"
#include "partita/detection/internal/nearest.hpp"

namespace partita {

namespace {

constexpr std::size_t kQueryBlock = 256;

/// Distance to the farthest of them, from the directions themselves: 2 - 2 cosine would keep half
/// of the digits of a small one.
double distance(const Nearest& nearest, const Eigen::Ref<const Eigen::VectorXd>& query,
                Rows training) {
  double squared = 0;
  for (const auto& [cosine, row] : nearest.rows()) {
    squared = std::max(squared, (directions(training, row, 1).col(0) - query).squaredNorm());
  }
  return std::sqrt(squared);
}

}  // namespace

std::vector<double> knn_scores(Rows features, Rows training, std::size_t k,
                               const RowOptions& options, const Progress& progress) {
  check_size("features", features.columns(), training.columns(), "columns, as in training");
  check_between("k", k, 1, training.rows(), "training rows");
  check_features("training", training, Need::direction, {.threads = options.threads});
  std::vector<double> result = check_features("features", features, Need::direction, options);
  for_each_block(
      features.rows(), kQueryBlock, options.threads,
      [&](std::size_t first, std::size_t count) {
        const Eigen::MatrixXd queries = directions(features, first, count);
        const auto found = nearest(queries, training, k, [](std::size_t) { return 1.0; });
        for (std::size_t i = 0; i < count; ++i) {
          result[first + i] -=
              distance(found[i], queries.col(static_cast<Eigen::Index>(i)), training);
        }
      },
      progress);
  return result;
}

}  // namespace partita
