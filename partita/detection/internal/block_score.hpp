// SPDX-License-Identifier: Apache-2.0
// What the scores of detector.hpp are made of: a last layer, passes over known rows, and a function
// that scores a block of rows. Not installed.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "partita/base/rows.hpp"
#include "partita/detection/detector.hpp"
#include "partita/detection/internal/features.hpp"

namespace partita {

inline constexpr std::size_t kScoredBlock = 512;

/// Scores of rows, of which each column is one.
using BlockScore = std::function<Eigen::VectorXd(const Eigen::MatrixXd& rows)>;

/// The same memory: what Eigen stores by columns are our rows.
Rows rows_of(const Eigen::MatrixXd& columns);

/// z = weight x + bias, in double.
struct Layer {
  /// @throws InvalidArgument of argument "layer"
  explicit Layer(const LastLayer& layer, int threads);

  Eigen::MatrixXd logits(const Eigen::MatrixXd& x) const { return (weight * x).colwise() + bias; }
  Eigen::Index classes() const { return weight.rows(); }
  std::size_t columns() const { return static_cast<std::size_t>(weight.cols()); }

  Eigen::MatrixXd weight;  // [K, columns]
  Eigen::VectorXd bias;    // [K]
};
using SharedLayer = std::shared_ptr<const Layer>;

/// What a score learns from, checked.
struct Learning {
  Rows rows;                             // finite
  std::span<const std::int64_t> labels;  // one per row
  SharedLayer layer;                     // none: rows are logits
  const DetectorOptions& options;

  /// Of a block of rows.
  Eigen::MatrixXd logits(const Eigen::MatrixXd& block) const {
    return layer ? layer->logits(block) : block;
  }
  Eigen::Index classes() const {
    return layer ? layer->classes() : static_cast<Eigen::Index>(rows.columns());
  }
};

/// Calls take(first row, block) for blocks of rows in their order, each row a column.
template <class Take>
void for_each_known(const Learning& known, const Take& take, const Progress& progress = {}) {
  for_each_block(
      known.rows.rows(), kScoredBlock, 1,
      [&](std::size_t first, std::size_t count) {
        take(first, feature_columns(known.rows, first, count));
      },
      progress);
}

/// [columns]
Eigen::VectorXd mean_row(const Learning& known);

/// Row of the first largest entry of a column.
Eigen::Index predicted(const Eigen::MatrixXd& logits, Eigen::Index column);

/// Calls take(class, row, logits), both as columns, for the known rows that are classified as their
/// labels say.
template <class Take>
void for_each_right(const Learning& known, const Take& take) {
  for_each_known(
      known,
      [&](std::size_t first, const Eigen::MatrixXd& x) {
        const Eigen::MatrixXd z = known.logits(x);
        for (Eigen::Index i = 0; i < x.cols(); ++i) {
          const Eigen::Index label = known.labels[first + static_cast<std::size_t>(i)];
          if (predicted(z, i) == label) take(label, x.col(i), z.col(i));
        }
      },
      known.options.progress);
}

/// [columns, K]: the mean of the known rows of each class that are classified as such, or of their
/// logits.
/// @param score that needs it, for errors
/// @throws InvalidArgument unless labels are classes, and each class has such a row
enum class MeanOf : std::uint8_t { rows, logits };
Eigen::MatrixXd means_of_right(const Learning& known, MeanOf what, std::string_view score);

/// log sum exp of each column.
Eigen::VectorXd energies(const Eigen::MatrixXd& logits);

/// softmax of each column.
Eigen::MatrixXd probabilities(Eigen::MatrixXd logits);

BlockScore fit_openmax(const Learning& known);
BlockScore fit_kl_matching(const Learning& known);
BlockScore gradient_norm(const SharedLayer& layer);
BlockScore fit_react(const Learning& known);
BlockScore fit_dice(const Learning& known);
enum class Shaping : std::uint8_t { ash_s, scale };
BlockScore shaped_energy(const SharedLayer& layer, Shaping shaping, const DetectorOptions& options);
BlockScore fit_she(const Learning& known);
BlockScore fit_vim(const Learning& known);
BlockScore fit_fdbd(const Learning& known);
BlockScore fit_nnguide(const Learning& known);

}  // namespace partita
