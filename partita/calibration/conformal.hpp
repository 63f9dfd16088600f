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
// The promise is one on average over classes, so that sets may often miss the hard ones;
// ConformalCoverage has others. Where new rows are of another kind than those held out (covariate
// shift), but labels follow from rows in the same way, each row weighs what it is more likely among
// the new ones (Tibshirani, Barber, Candes, Ramdas 2019):
//
//   auto predictor = partita::fit_weighted_conformal(logits, labels, weights, stream.child(0));
//   auto sets = partita::predict_sets(predictor, others, weights_of_others, stream.child(1));
//
// u is uniform on (0, 1), one per row, from the row's stream. Without randomization it is 1; sets
// are then larger than necessary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

enum class ConformalScore : std::uint8_t { lac, aps, raps, saps };

/// Over which rows sets hold the right class as often as promised.
enum class ConformalCoverage : std::uint8_t {
  marginal,
  /// Over the rows of each class: a class is compared with the scores of the rows that have its
  /// label (Vovk 2012), and is in every set if these are fewer than 1/alpha - 1.
  class_conditional,
  /// Over the rows of each cluster of classes whose scores are distributed alike, and so nearly
  /// over those of each class, with fewer rows than above: a part of the rows finds the clusters,
  /// by k-means of quantiles, and the rest their thresholds. Classes of too few rows share that of
  /// all (Ding, Angelopoulos, Bates, Jordan, Tibshirani 2023).
  clustered,
};

/// "marginal", "class-conditional", "clustered".
std::string_view name_of(ConformalCoverage coverage);

struct ConformalOptions {
  ConformalScore score = ConformalScore::aps;
  double alpha = 0.1;      ///< largest share of sets that miss the right class, in (0, 1)
  bool randomized = true;  ///< aps, raps, saps: whether u is drawn, or 1
  /// Added per rank, >= 0: 0.01 for raps (beyond free_rank), 0.2 for saps.
  std::optional<double> penalty = {};
  std::size_t free_rank = 5;  ///< raps: ranks, counted from 1, without a penalty
  ConformalCoverage coverage = ConformalCoverage::marginal;

  double penalty_of_ranks() const {
    return penalty.value_or(score == ConformalScore::saps ? 0.2 : 0.01);
  }
};

/// Scores of held-out rows that do not count alike.
struct WeightedScores {
  std::vector<double> scores;   ///< ascending
  std::vector<double> weights;  ///< of all scores up to here

  /// The least score up to which the weights are a share 1 - alpha of all, `weight` included, which
  /// is that of a new row and counts at infinity; +inf if there is none.
  double threshold(double alpha, double weight) const;
};

struct ConformalPredictor {
  ConformalOptions options;
  std::size_t classes;
  double threshold;  ///< +inf, so that every set holds all classes, if n < 1/alpha - 1
  std::vector<double> class_thresholds = {};    ///< [K], instead of it, unless marginal
  std::vector<std::int64_t> clusters = {};      ///< [K], of each class, if clustered; -1: none
  std::optional<WeightedScores> weighted = {};  ///< instead of both, if fitted with weights

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

/// The same for new rows of another kind. Only weights' ratios count.
/// @param weights [n], finite and not negative, not all 0: the density of such a row among the new
///        ones over that among those held out; the odds that a calibrated classifier of new
///        and held-out rows gives will do
/// @throws InvalidArgument as above, or unless the coverage is marginal
ConformalPredictor fit_weighted_conformal(Rows logits, std::span<const std::int64_t> labels,
                                          std::span<const double> weights, const Streams& streams,
                                          const ConformalOptions& options = {}, int threads = 1);

struct PredictionSets {
  std::vector<std::int64_t> classes;  ///< row by row; within a row, the most likely first
  std::vector<std::size_t> start;  ///< where each row's classes begin, and where the last row's end

  std::span<const std::int64_t> of(std::size_t row) const {
    return std::span(classes).subspan(start[row], start[row + 1] - start[row]);
  }
};

/// @param streams one per predicted row; they must differ from those of the fit
/// @throws InvalidArgument if the number of classes differs, or the predictor was fitted with
///         weights. A row that holds NaN or +inf, or only
///         -inf, is a row error (RowOptions), and its set empty.
PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            const Streams& streams, const RowOptions& options = {});

/// The same by a predictor that was fitted with weights.
/// @param weights one per predicted row, on the scale of those of the fit
PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            std::span<const double> weights, const Streams& streams,
                            const RowOptions& options = {});

}  // namespace partita
