// SPDX-License-Identifier: Apache-2.0
// How far a row of features lies from the nearest class, in units of the spread that the classes
// share (Lee, Lee, Lee, Shin, "A simple unified framework for detecting out-of-distribution samples
// and adversarial attacks", NeurIPS 2018).
//
//   auto detector = partita::Mahalanobis::fit(training, labels);      // features, their classes
//   std::vector<double> scores = detector.scores(features);           // larger: more like training
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"

namespace partita {

struct MahalanobisOptions {
  /// The share of the covariance that is replaced by a multiple of the identity of the same trace,
  /// 0 to 1. If not given, the share that is best in expectation (Ledoit and Wolf, "A
  /// well-conditioned estimator for large-dimensional covariance matrices", 2004), so that fewer
  /// rows than columns will do.
  std::optional<double> shrinkage = {};
  int threads = 1;
  Progress progress = {};  ///< hears how many blocks of rows are done
};

/// A Gaussian for each class, with means of their own and one covariance S.
class Mahalanobis {
 public:
  /// S is the covariance (sum / rows) of the features less the means of their classes, shrunk.
  /// Results do not depend on the number of threads.
  /// @param features [rows, columns], finite
  /// @param labels   the class of each row: any whole numbers
  /// @throws InvalidArgument if there are no features, if one is not finite, if there is not one
  ///         label per row, unless 0 <= shrinkage <= 1, or if the shrunk covariance is singular.
  static Mahalanobis fit(Rows features, std::span<const std::int64_t> labels,
                         const MahalanobisOptions& options = {});

  /// -min over classes c of (x - mean_c)' S^-1 (x - mean_c): at most 0. A row that is not finite is
  /// a row error, and its score NaN.
  /// @throws InvalidArgument unless the columns are those of fit().
  std::vector<double> scores(Rows features, const RowOptions& options = {},
                             const Progress& progress = {}) const;

  /// The bytes of what was fitted, to be kept in a file, and back. `name` stands for its path in a
  /// DataError.
  std::string serialize() const;
  static Mahalanobis parse(std::string_view bytes, std::string_view name = "Mahalanobis");

  double shrinkage() const { return shrinkage_; }
  std::size_t classes() const { return whitened_means_.size() / columns_; }

 private:
  Mahalanobis() = default;

  std::size_t columns_ = 0;
  double shrinkage_ = 0;
  std::vector<double> center_;  // mean of all classes: subtracted first, so that little cancels
  std::vector<double> factor_;  // [columns, columns], by columns: S = L L'
  std::vector<double> whitened_means_;  // [classes, columns]: L^-1 (mean - center)
};

}  // namespace partita
