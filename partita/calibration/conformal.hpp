// Conformal prediction: sets of classes that hold the right one with probability 1 - alpha or more,
// whatever the network, if the rows it is fitted on and those it is used on are exchangeable.
//
//   auto predictor = partita::fit_conformal(logits, labels, {.alpha = 0.1});
//   partita::PredictionSets sets = partita::predict_sets(predictor, other_logits, {seed, 1});
//   for (std::int64_t c : sets.of(0)) std::cout << c << '\n';
//
// A class gets a score, the higher the stranger it is; the set holds those up to the
// ceil((n + 1)(1 - alpha))-th smallest score of n held-out labels:
//
//   lac    1 - p_k                        (Sadinle, Lei, Wasserman 2019): the smallest sets
//   aps    the probability of all classes more likely than k, and u p_k   (Romano, Sesia, Candes
//          2020): sets that adapt to how hard a row is
//   raps   aps + penalty * max(0, rank of k - free_rank)   (Angelopoulos, Bates, Malik, Jordan
//          2021): without long tails
//
// u is uniform on (0, 1), one a row: a function of (seed, stream id + row). Without randomization
// it is 1; sets are then larger than they need be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

enum class ConformalScore : std::uint8_t { lac, aps, raps };

struct ConformalOptions {
  ConformalScore score = ConformalScore::aps;
  double alpha = 0.1;         ///< share of sets that may miss the right class, in (0, 1)
  bool randomized = true;     ///< of aps and raps
  double penalty = 0.01;      ///< of raps, >= 0
  std::size_t free_rank = 5;  ///< of raps: ranks, counted from 1, that have no penalty
  Stream stream = {};         ///< of the first row
};

struct ConformalPredictor {
  ConformalOptions options;
  std::size_t classes;
  double threshold;  ///< +inf, and every set is whole, if n < 1/alpha - 1
};

/// The ceil((n + 1)(1 - alpha))-th smallest of n scores; +inf if that is beyond the last.
/// @throws InvalidArgument unless alpha is in (0, 1)
double conformal_quantile(std::vector<double> scores, double alpha);

/// @param logits [n, K] held-out logits or log-probabilities; @param labels [n], of 0..K-1
/// @throws InvalidArgument as check_labels; for a bad row or an option out of its range
ConformalPredictor fit_conformal(Rows logits, std::span<const std::int64_t> labels,
                                 const ConformalOptions& conformal, const RowOptions& options = {});

struct PredictionSets {
  std::vector<std::int64_t> classes;  ///< of all rows; of each the most likely first
  std::vector<std::size_t> start;     ///< where each row's begin, and where the last one's end

  std::span<const std::int64_t> of(std::size_t row) const {
    return std::span(classes).subspan(start[row], start[row + 1] - start[row]);
  }
};

/// @param streams of the rows that are predicted, which must differ from those of the fit
/// @throws InvalidArgument if there are not as many classes, or for a bad row
PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits, Streams streams,
                            const RowOptions& options = {});

}  // namespace partita
