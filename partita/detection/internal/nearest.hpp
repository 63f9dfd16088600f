// SPDX-License-Identifier: Apache-2.0
// The rows that agree best with a row: shared by knn_scores and nnguide. Not installed.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "partita/detection/internal/features.hpp"

namespace partita {

/// Columns divided by their lengths. NaN where a column has no direction.
inline Eigen::MatrixXd directions(Eigen::MatrixXd columns) {
  for (Eigen::Index i = 0; i < columns.cols(); ++i) {
    columns.col(i) /= columns.col(i).lpNorm<Eigen::Infinity>();  // so that squares do not overflow
    columns.col(i).normalize();
  }
  return columns;
}

/// Those of the rows [first, first + count).
inline Eigen::MatrixXd directions(Rows features, std::size_t first, std::size_t count) {
  return directions(feature_columns(features, first, count));
}

/// The k rows of the largest similarity, whatever that is.
class Nearest {
 public:
  explicit Nearest(std::size_t k) : k_(k) {}

  void offer(double similarity, std::size_t row) {
    if (rows_.size() == k_ && !(similarity > rows_.front().first)) return;
    if (rows_.size() == k_) {
      std::pop_heap(rows_.begin(), rows_.end(), std::greater<>());
      rows_.pop_back();
    }
    rows_.emplace_back(similarity, row);
    std::push_heap(rows_.begin(), rows_.end(), std::greater<>());
  }

  /// Similarity and row, as a heap with the least similar in front.
  const std::vector<std::pair<double, std::size_t>>& rows() const { return rows_; }

 private:
  std::size_t k_;
  std::vector<std::pair<double, std::size_t>> rows_;
};

/// For each column of `queries`, the k training rows of the largest weight_of(row) times cosine.
template <class WeightOf>
std::vector<Nearest> nearest(const Eigen::MatrixXd& queries, Rows training, std::size_t k,
                             const WeightOf& weight_of) {
  constexpr std::size_t kTrainingBlock = 1024;
  std::vector<Nearest> found(static_cast<std::size_t>(queries.cols()), Nearest(k));
  for_each_block(training.rows(), kTrainingBlock, 1, [&](std::size_t first, std::size_t count) {
    const Eigen::MatrixXd cosines = directions(training, first, count).transpose() * queries;
    for (std::size_t q = 0; q < found.size(); ++q) {
      const auto column = cosines.col(static_cast<Eigen::Index>(q));
      for (std::size_t t = 0; t < count; ++t) {
        found[q].offer(weight_of(first + t) * column[static_cast<Eigen::Index>(t)], first + t);
      }
    }
  });
  return found;
}

}  // namespace partita
