// SPDX-License-Identifier: Apache-2.0
// How well predicted probabilities match how often they are right: calibration errors, likelihood,
// Brier score, reliability diagrams, with bootstrap intervals.
//
//   auto e = partita::evaluate_calibration(logits, labels, {.bins = 15});
//   e.metrics.ece;                      // 0.0537
//   for (const auto& bin : e.bins) plot(bin.confidence, bin.accuracy);
//
//   partita::Stream stream{.seed = 1};  // for 95 % bootstrap intervals
//   auto with_intervals = partita::evaluate_calibration(logits, labels, stream, {});
//   with_intervals.intervals->ece.low;
//
// A row's prediction is its most likely class (the lowest of those that tie), its confidence that
// class's probability. Bins are (lo, hi], 0 in the first and 1 in the last; there may be more of
// them than rows. n_b rows of bin b have mean confidence conf_b and accuracy acc_b:
//
//   ece            sum_b n_b/n |acc_b - conf_b| (Naeini et al. 2015; Guo et al. 2017, eq. 3)
//   mce            max_b |acc_b - conf_b| over bins that hold rows (Guo et al., eq. 5)
//   classwise_ece  the mean over classes k of sum_b n_b/n |share of label k - mean p_k|, with rows
//                  in bins by p_k (Kull et al. 2019, eq. 5)
//   adaptive_ece   ece with bins that hold equally many rows (Nixon et al. 2019)
//   debiased_ece   sqrt(max(0, sum_b n_b/n [(acc_b - conf_b)^2 - acc_b (1 - acc_b)/(n_b - 1)])):
//                  of squares, free of the bias of ece with few rows per bin (Broecker 2012;
//                  Ferro and Fricker 2012; Kumar et al. 2019); bins of one row count 0
//   brier          mean over rows of sum_k (p_k - [k = y])^2, 0..2 (Brier 1950; for two classes
//                  twice what scikit-learn's brier_score_loss gives)
//   nll            mean of -log p_y; infinite if a label has probability 0
//   confidence     mean confidence; equals accuracy where errors of bins cancel
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/base/rows.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/random/bootstrap.hpp"
#include "partita/random/stream.hpp"

namespace partita {

/// The metrics, or one value for each of them.
template <class T>
struct PerMetric {
  T accuracy;
  T confidence;
  T nll;
  T ece;
  T mce;
  T classwise_ece;
  T adaptive_ece;
  T brier;
  T debiased_ece;
};

using CalibrationMetrics = PerMetric<double>;

/// One bar of the reliability diagram.
struct ReliabilityBin {
  double lower;  ///< the bin is (lower, upper]
  double upper;
  std::size_t count;
  double confidence;  ///< mean of the bin; NaN if empty, like accuracy
  double accuracy;
  std::optional<Interval> accuracy_interval;
};

struct CalibrationEvaluation {
  CalibrationMetrics metrics;
  /// From resampled rows, with their probabilities unchanged. NaN for classwise_ece, which would
  /// have to read all probabilities of all rows again for every resample.
  std::optional<PerMetric<Interval>> intervals;
  std::vector<ReliabilityBin> bins;
};

struct CalibrationBins {
  std::size_t bins = 15;    ///< >= 1
  bool equal_mass = false;  ///< bins of equal mass in ece, mce, debiased_ece and the diagram
};

/// Without intervals. The result is the same for any number of threads.
/// @param predictions [n, K] logits, log-probabilities or probabilities
/// @param labels     [n], in 0..K-1
/// @param calibrator if given, its output for the logits is evaluated
/// @throws InvalidArgument as check_labels, or naming the first row that has NaN, +inf or only
///         -inf
CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const CalibrationBins& bins = {},
                                           const Calibrator* calibrator = nullptr, int threads = 1);

/// The same for the rows of all ranks, of which each has one or more: every rank calls it with its
/// own, and gets the same metrics. How rows are divided changes them by the rounding of sums; the
/// edges of bins are exact. 3 numbers a bin travel, one for each bin of each class, and some 64 for
/// each bin of equal mass.
/// @throws InvalidArgument on every rank if one has reason to, or classes differ.
CalibrationEvaluation evaluate_calibration(const Predictions& own,
                                           std::span<const std::int64_t> labels, Group& group,
                                           const CalibrationBins& bins = {},
                                           const Calibrator* calibrator = nullptr, int threads = 1);

/// The same with bootstrap intervals: resample r draws from stream.child(r). Of 20,000 rows or
/// more, it draws how many rows there are of each of about 300 groups of nearly the same
/// confidence, by a multinomial distribution; inside a group, likelihoods and Brier scores vary
/// like normal ones, and a bin of equal mass that ends there has a share of its rows.
/// @param bootstrap its threads are those of the whole evaluation
CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const Stream& stream, const BootstrapOptions& bootstrap,
                                           const CalibrationBins& bins = {},
                                           const Calibrator* calibrator = nullptr);

}  // namespace partita
