// How well predicted probabilities match how often they are right: calibration errors, likelihood,
// Brier score, reliability diagrams, with bootstrap intervals.
//
//   partita::Evaluation e = partita::evaluate_calibration(logits, labels, {.bins = 15});
//   e.metrics.ece;                      // 0.0537
//   e.intervals->ece.low;               // 95 % bootstrap interval
//   for (const auto& bin : e.bins) plot(bin.confidence, bin.accuracy);
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
//                  of the squares, free of the bias of ece with few rows per bin (Broecker 2012;
//                  Ferro and Fricker 2012; Kumar et al. 2019); bins of one row count 0
//   brier          mean over rows of sum_k (p_k - [k = y])^2, 0..2 (Brier 1950; of two classes this
//                  is twice what scikit-learn's brier_score_loss gives)
//   nll            mean of -log p_y; infinite if a label has probability 0
//   confidence     mean confidence; equals accuracy where errors of bins cancel
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/random/bootstrap.hpp"

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

using Metrics = PerMetric<double>;

/// One bar of the reliability diagram.
struct ReliabilityBin {
  double lower;  ///< the bin is (lower, upper]
  double upper;
  std::size_t count;
  double confidence;  ///< mean of the bin; NaN if empty, like accuracy
  double accuracy;
  std::optional<Interval> accuracy_interval;
};

struct Evaluation {
  Metrics metrics;
  /// From resampled rows, with their probabilities unchanged. NaN for classwise_ece, which would
  /// have to read all probabilities of all rows again for every resample. Empty without resamples.
  std::optional<PerMetric<Interval>> intervals;
  std::vector<ReliabilityBin> bins;
};

struct EvaluationOptions {
  std::size_t bins = 15;      ///< >= 1
  bool equal_mass = false;    ///< bins of equal mass in ece, mce, debiased_ece and the diagram
  std::size_t resamples = 0;  ///< for the intervals; 0, or at least 2
  double level = 0.95;
  Stream stream = {};
};

/// @param logits     [n, K] logits or log-probabilities
/// @param labels     [n], of 0..K-1
/// @param calibrator if given, its output for the logits is evaluated
/// @throws InvalidArgument as check_labels, or if a row has NaN, +inf or only -inf
/// The result is the same for any number of threads.
Evaluation evaluate_calibration(Rows logits, std::span<const std::int64_t> labels,
                                const EvaluationOptions& evaluation = {},
                                const Calibrator* calibrator = nullptr,
                                const RowOptions& options = {});

}  // namespace partita
