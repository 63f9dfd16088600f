// SPDX-License-Identifier: Apache-2.0
// How well a score tells positives from negatives: the ROC curve of two samples of scores, and the
// figures read off it.
//
//   std::vector<double> in = ..., out = ...;                  // scores, larger where positive
//   partita::RocCurve curve = partita::roc_curve(in, out);    // in is the positive side
//   double area = partita::auroc(curve);
//   double fpr = partita::fpr_at_tpr(curve, 0.95);            // false positives at 95 % of in
//   double other = partita::fpr_at_tpr(partita::mirrored(curve), 0.95);   // out is positive
//
// All are exact: thresholds are the scores themselves, tied scores are accepted or rejected
// together, and the two ends, where nothing or everything is called positive, belong to the curve.
// Only the order of the scores matters: a strictly increasing map of them changes nothing.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace partita {

/// The counts when everything of score `threshold` or more is called positive.
struct OperatingPoint {
  double threshold;
  std::size_t true_positives;
  std::size_t false_positives;

  bool operator==(const OperatingPoint&) const = default;
};

/// One point for each distinct score, the highest first, after one at +inf where nothing is called
/// positive (even if there are scores of +inf). At the last point, everything is.
using RocCurve = std::vector<OperatingPoint>;

/// @throws InvalidArgument if a side is empty or holds a NaN. Infinities are valid scores.
RocCurve roc_curve(std::span<const double> positive, std::span<const double> negative);

/// The curve of the other side: what was negative is positive, by the negated scores.
RocCurve mirrored(const RocCurve& curve);

/// Area under the curve: the probability that a positive scores more than a negative, ties counted
/// half (Mann and Whitney).
double auroc(const RocCurve& curve);

/// Area under the precision-recall curve, as average precision: sum over thresholds, from high to
/// low, of (recall_n - recall_{n-1}) precision_n. This is scikit-learn's average_precision_score;
/// it does not interpolate between points, as the trapezoidal rule does, which is too optimistic
/// (Davis and Goadrich 2006). If all scores are tied, it is the share of positives.
double average_precision(const RocCurve& curve);

/// The smallest false positive rate at which the true positive rate is `tpr` or more: that of the
/// first such point, without interpolation.
/// @throws InvalidArgument unless 0 < tpr <= 1.
double fpr_at_tpr(const RocCurve& curve, double tpr);

/// 1 - min over t of ½ [P_positive(s <= t) + P_negative(s > t)], t from -inf to +inf: the accuracy
/// of the best threshold when both sides are equally likely (Liang, Li, Srikant 2018). ½ if all
/// scores are tied. The same for either side.
double detection_accuracy(const RocCurve& curve);

/// The largest score that at least a share `tpr` of the positives reaches: the threshold of a
/// detector that accepts this share.
/// @throws InvalidArgument if there are no scores or one is NaN, or unless 0 < tpr <= 1.
double threshold_at_tpr(std::span<const double> positive, double tpr);

/// The threshold that rejects a new known row with probability at most alpha: the floor(alpha (n +
/// 1))-th smallest of n known scores, -inf if that is 0. With rows that are exchangeable with the n
/// (and were not used to fit the score) this holds whatever the distribution, on average over what
/// the n happened to be (a conformal p-value, Bates et al., "Testing for outliers with conformal
/// p-values", 2023). threshold_at_tpr has the share of the n themselves.
/// @throws InvalidArgument if there are no scores or one is NaN, or unless 0 < alpha < 1.
double conformal_threshold(std::span<const double> known, double alpha);

}  // namespace partita
