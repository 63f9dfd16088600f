// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/detection_metrics.hpp"

#include <utility>
#include <vector>

#include "partita/base/internal/parallel_progress.hpp"
#include "partita/detection/roc.hpp"

namespace partita {

namespace {

constexpr double kTpr = 0.95;

/// The children of a resample's stream.
enum Side : std::uint64_t { kIn, kOut };

DetectionMetrics metrics_of(const RocCurve& in_curve, Positive positive) {
  const RocCurve out_curve = mirrored(in_curve);
  return {.auroc = auroc(in_curve),
          .aupr_in = average_precision(in_curve),
          .aupr_out = average_precision(out_curve),
          .fpr_at_95_tpr = fpr_at_tpr(positive == Positive::in ? in_curve : out_curve, kTpr),
          .detection_accuracy = detection_accuracy(in_curve)};
}

/// The curve of a resample, in which the i-th highest positive occurs positive[i] times.
RocCurve resampled(const RocCurve& curve, std::span<const std::uint32_t> positive,
                   std::span<const std::uint32_t> negative) {
  RocCurve out{curve.front()};
  OperatingPoint point = curve.front();
  for (std::size_t j = 1; j < curve.size(); ++j) {
    for (std::size_t i = curve[j - 1].true_positives; i < curve[j].true_positives; ++i) {
      point.true_positives += positive[i];
    }
    for (std::size_t i = curve[j - 1].false_positives; i < curve[j].false_positives; ++i) {
      point.false_positives += negative[i];
    }
    point.threshold = curve[j].threshold;
    const bool drawn = point.true_positives > out.back().true_positives ||
                       point.false_positives > out.back().false_positives;
    if (drawn) out.push_back(point);
  }
  return out;
}

}  // namespace

DetectionMetrics detection_metrics(std::span<const double> in, std::span<const double> out,
                                   Positive positive) {
  return metrics_of(roc_curve(in, out), positive);
}

DetectionIntervals detection_intervals(std::span<const double> in, std::span<const double> out,
                                       Positive positive, const Stream& stream,
                                       const BootstrapOptions& options) {
  options.check();
  const RocCurve curve = roc_curve(in, out);
  std::vector<DetectionMetrics> resamples(options.resamples);
  const auto some = [&](std::size_t first, std::size_t last) {
    std::vector<std::uint32_t> in_counts(in.size());
    std::vector<std::uint32_t> out_counts(out.size());
    for (std::size_t r = first; r < last; ++r) {
      resample(stream.child(r).child(kIn), in_counts);
      resample(stream.child(r).child(kOut), out_counts);
      resamples[r] = metrics_of(resampled(curve, in_counts, out_counts), positive);
    }
  };
  parallel_for(options.resamples, options.threads, options.progress, "resamples", some);
  const auto interval = [&](double DetectionMetrics::*figure) {
    std::vector<double> values;
    for (const DetectionMetrics& metrics : resamples) values.push_back(metrics.*figure);
    return percentile_interval(std::move(values), options.level);
  };
  return {.auroc = interval(&DetectionMetrics::auroc),
          .aupr_in = interval(&DetectionMetrics::aupr_in),
          .aupr_out = interval(&DetectionMetrics::aupr_out),
          .fpr_at_95_tpr = interval(&DetectionMetrics::fpr_at_95_tpr),
          .detection_accuracy = interval(&DetectionMetrics::detection_accuracy)};
}

}  // namespace partita
