// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/knn.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/features.hpp"

namespace partita {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;

constexpr std::size_t kQueryBlock = 256;
constexpr std::size_t kTrainingBlock = 1024;

/// Rows [first, first + count) as columns of length 1. NaN where a row has no direction.
MatrixXd directions(Rows features, std::size_t first, std::size_t count) {
  MatrixXd out = feature_columns(features, first, count);
  for (Index i = 0; i < out.cols(); ++i) {
    out.col(i) /= out.col(i).lpNorm<Eigen::Infinity>();  // so that squares do not overflow
    out.col(i).normalize();
  }
  return out;
}

/// The k training rows whose directions agree best with one query's.
class Nearest {
 public:
  explicit Nearest(std::size_t k) : k_(k) {}

  void offer(double cosine, std::size_t row) {
    if (heap_.size() == k_ && !(cosine > heap_.front().first)) return;
    if (heap_.size() == k_) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      heap_.pop_back();
    }
    heap_.emplace_back(cosine, row);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  /// Distance to the farthest of them, from the directions themselves: 2 - 2 cosine would keep half
  /// of the digits of a small one.
  double distance(const Eigen::Ref<const Eigen::VectorXd>& query, Rows training) const {
    double squared = 0;
    for (const auto& [cosine, row] : heap_) {
      squared = std::max(squared, (directions(training, row, 1).col(0) - query).squaredNorm());
    }
    return std::sqrt(squared);
  }

 private:
  std::size_t k_;
  std::vector<std::pair<double, std::size_t>> heap_;  // the least of them in front
};

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
        const MatrixXd queries = directions(features, first, count);
        std::vector<Nearest> nearest(count, Nearest(k));
        for_each_block(training.rows(), kTrainingBlock, 1, [&](std::size_t from, std::size_t n) {
          const MatrixXd cosines = directions(training, from, n).transpose() * queries;
          for (std::size_t i = 0; i < count; ++i) {
            const auto column = cosines.col(static_cast<Index>(i));
            for (std::size_t t = 0; t < n; ++t) {
              nearest[i].offer(column[static_cast<Index>(t)], from + t);
            }
          }
        });
        for (std::size_t i = 0; i < count; ++i) {
          result[first + i] -= nearest[i].distance(queries.col(static_cast<Index>(i)), training);
        }
      },
      progress);
  return result;
}

}  // namespace partita
