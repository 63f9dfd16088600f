// SPDX-License-Identifier: Apache-2.0
// Conformal prediction: sets of classes that hold the right one with probability 1 - alpha or more,
// whatever the network, if the rows it is fitted on and those it is used on are exchangeable.
//
//   auto predictor = partita::fit_conformal(logits, labels, stream.child(0), {.alpha = 0.1});
//   partita::PredictionSets sets = partita::predict_sets(predictor, others, stream.child(1));
//   for (std::int64_t c : sets.of(0)) std::cout << c << '\n';
//
// Each class gets a score, higher for a less likely class; the set holds the classes with scores up
// to the ceil((n + 1)(1 - alpha))-th smallest of those of n held-out labels:
//
//   lac    1 - p_k                        (Sadinle, Lei, Wasserman 2019): the smallest sets
//   aps    the probability of all classes more likely than k, and u p_k   (Romano, Sesia, Candes
//          2020): sets that adapt to how hard a row is
//   raps   aps + penalty * max(0, rank of k - free_rank)   (Angelopoulos, Bates, Malik, Jordan
//          2021): without long tails
//   saps   u p_1 for the most likely class, and p_1 + (rank of k - 2 + u) penalty for the others
//          (Huang, Xi, Zhang, Yao, Qiu, Wei 2024): of the probabilities, only the largest counts
//
// The promise is one on average over classes, so that sets may often miss the hard ones. With
// `class_conditional`, it holds for the rows of each class: a class is compared with the scores of
// the rows that have its label (Vovk 2012), and is in every set if these are too few.
//
// u is uniform on (0, 1), one per row, from the row's stream. Without randomization it is 1; sets
// are then larger than necessary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

enum class ConformalScore : std::uint8_t { lac, aps, raps, saps };

struct ConformalOptions {
  ConformalScore score = ConformalScore::aps;
  double alpha = 0.1;         ///< largest share of sets that miss the right class, in (0, 1)
  bool randomized = true;     ///< aps, raps, saps: whether u is drawn, or 1
  double penalty = 0.01;      ///< raps and saps: added per rank (beyond free_rank), >= 0
  std::size_t free_rank = 5;  ///< raps: ranks, counted from 1, without a penalty
  bool class_conditional = false;
};

struct ConformalPredictor {
  ConformalOptions options;
  std::size_t classes;
  double threshold;  ///< +inf, so that every set holds all classes, if n < 1/alpha - 1
  std::vector<double> class_thresholds = {};  ///< [K], instead of it, if class-conditional

  double threshold_of(std::size_t k) const {
    return class_thresholds.empty() ? threshold : class_thresholds[k];
  }
};

/// The ceil((n + 1)(1 - alpha))-th smallest of n scores; +inf if that is beyond the last.
/// @throws InvalidArgument unless alpha is in (0, 1)
double conformal_quantile(std::vector<double> scores, double alpha);

/// @param logits  [n, K] held-out logits or log-probabilities
/// @param labels  [n], in 0..K-1
/// @param streams one per row
/// @throws InvalidArgument as check_labels; naming the first bad row, or an option out of its range
ConformalPredictor fit_conformal(Rows logits, std::span<const std::int64_t> labels,
                                 const Streams& streams, const ConformalOptions& options = {},
                                 int threads = 1);

struct PredictionSets {
  std::vector<std::int64_t> classes;  ///< row by row; within a row, the most likely first
  std::vector<std::size_t> start;  ///< where each row's classes begin, and where the last row's end

  std::span<const std::int64_t> of(std::size_t row) const {
    return std::span(classes).subspan(start[row], start[row + 1] - start[row]);
  }
};

/// @param streams one per predicted row; they must differ from those of the fit
/// @throws InvalidArgument if the number of classes differs. A row that holds NaN or +inf, or only
///         -inf, is a row error (RowOptions), and its set empty.
PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            const Streams& streams, const RowOptions& options = {});

}  // namespace partita
