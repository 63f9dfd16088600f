// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/detection_metrics.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "partita/base/internal/check.hpp"
#include "partita/base/internal/over_ranks.hpp"
#include "partita/base/internal/parallel_progress.hpp"
#include "partita/detection/internal/roc_points.hpp"
#include "partita/detection/roc.hpp"

namespace partita {

namespace {

constexpr double kTpr = 0.95;

/// The children of a resample's stream.
enum Side : std::uint64_t { kIn, kOut };

/// Of the curve whose positives are `in`, point by point: see roc.hpp.
class Figures {
 public:
  /// @param in, out how many there are in all
  Figures(std::uint64_t in, std::uint64_t out, Positive positive)
      : in_(static_cast<double>(in)), out_(static_cast<double>(out)), positive_(positive) {}

  void add(const OperatingPoint& next) {
    const std::uint64_t in = next.true_positives;
    const std::uint64_t out = next.false_positives;
    // Twice the area, in units of one known times one unknown: a whole number.
    twice_ += (out - last_out_) * (in + last_in_);
    const double share_in = static_cast<double>(in) / in_;
    const double share_out = static_cast<double>(out) / out_;
    precision_in_ += static_cast<double>(in - last_in_) * share(in, in + out);
    // For the other side, from low to high, what is not yet counted is accepted.
    const double left_in = in_ - static_cast<double>(last_in_);
    const double left_out = out_ - static_cast<double>(last_out_);
    precision_out_ += static_cast<double>(out - last_out_) * left_out / (left_out + left_in);
    if (positive_ == Positive::in && share_in >= kTpr && !has_rate_) {
      has_rate_ = true;
      rate_ = share_out;
    }
    if (positive_ == Positive::out && left_out / out_ >= kTpr) rate_ = left_in / in_;
    best_ = std::max(best_, share_in - share_out);
    last_in_ = in;
    last_out_ = out;
  }

  DetectionMetrics metrics() const {
    return {.auroc = static_cast<double>(twice_) / 2 / (in_ * out_),
            .aupr_in = precision_in_ / in_,
            .aupr_out = precision_out_ / out_,
            .fpr_at_95_tpr = rate_,
            .detection_accuracy = (1 + best_) / 2};
  }

 private:
  static double share(std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  }

  double in_;
  double out_;
  Positive positive_;
  std::uint64_t last_in_ = 0;
  std::uint64_t last_out_ = 0;
  std::uint64_t twice_ = 0;
  double precision_in_ = 0;
  double precision_out_ = 0;
  double rate_ = 0;
  bool has_rate_ = false;
  double best_ = 0;
};

DetectionMetrics metrics_of(const RocCurve& curve, Positive positive) {
  Figures figures(curve.back().true_positives, curve.back().false_positives, positive);
  std::for_each(curve.begin() + 1, curve.end(), [&](const OperatingPoint& p) { figures.add(p); });
  return figures.metrics();
}

/// Calls use(r, in counts, out counts) for each resample r of both sides, from several threads.
template <class Use>
void for_each_resample(std::size_t in_rows, std::size_t out_rows, const Stream& stream,
                       const BootstrapOptions& options, const Use& use) {
  const auto some = [&](std::size_t first, std::size_t last) {
    std::vector<std::uint32_t> in(in_rows);
    std::vector<std::uint32_t> out(out_rows);
    for (std::size_t r = first; r < last; ++r) {
      resample(stream.child(r).child(kIn), in);
      resample(stream.child(r).child(kOut), out);
      use(r, in, out);
    }
  };
  parallel_for(options.resamples, options.threads, options.progress, "resamples", some);
}

/// Of a resample, in which the i-th highest known score occurs in_counts[i] times.
DetectionMetrics metrics_of(const RocCurve& curve, std::span<const std::uint32_t> in_counts,
                            std::span<const std::uint32_t> out_counts, Positive positive) {
  Figures figures(curve.back().true_positives, curve.back().false_positives, positive);
  OperatingPoint point = curve.front();
  for (std::size_t j = 1; j < curve.size(); ++j) {
    const OperatingPoint last = point;
    for (std::size_t i = curve[j - 1].true_positives; i < curve[j].true_positives; ++i) {
      point.true_positives += in_counts[i];
    }
    for (std::size_t i = curve[j - 1].false_positives; i < curve[j].false_positives; ++i) {
      point.false_positives += out_counts[i];
    }
    const bool drawn =
        point.true_positives > last.true_positives || point.false_positives > last.false_positives;
    if (drawn) figures.add(point);
  }
  return figures.metrics();
}

DetectionIntervals intervals_of(std::span<const DetectionMetrics> resamples, double level) {
  const auto interval = [&](double DetectionMetrics::*figure) {
    std::vector<double> values;
    for (const DetectionMetrics& metrics : resamples) values.push_back(metrics.*figure);
    return percentile_interval(std::move(values), level);
  };
  return {.auroc = interval(&DetectionMetrics::auroc),
          .aupr_in = interval(&DetectionMetrics::aupr_in),
          .aupr_out = interval(&DetectionMetrics::aupr_out),
          .fpr_at_95_tpr = interval(&DetectionMetrics::fpr_at_95_tpr),
          .detection_accuracy = interval(&DetectionMetrics::detection_accuracy)};
}

/// A detector's curve, and the rows of either side from the highest score to the lowest.
struct Ranked {
  RocCurve curve;
  std::vector<std::size_t> in;
  std::vector<std::size_t> out;
};

std::vector<std::size_t> descending(std::span<const double> scores) {
  std::vector<std::size_t> rows(scores.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  std::sort(rows.begin(), rows.end(),
            [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return rows;
}

std::vector<std::uint32_t> in_order(std::span<const std::uint32_t> counts,
                                    std::span<const std::size_t> rows) {
  std::vector<std::uint32_t> out;
  out.reserve(rows.size());
  for (const std::size_t row : rows) out.push_back(counts[row]);
  return out;
}

}  // namespace

DetectionMetrics detection_metrics(std::span<const double> in, std::span<const double> out,
                                   Positive positive) {
  return detection_metrics(in, out, positive, Group::alone());
}

DetectionMetrics detection_metrics(std::span<const double> in, std::span<const double> out,
                                   Positive positive, Group& group) {
  RocCurve own;
  together(group, [&] { own = points_of(descending("in", in), descending("out", out)); });
  double sizes[] = {static_cast<double>(in.size()), static_cast<double>(out.size())};
  group.all_reduce(sizes, Reduction::sum);
  const auto all_in = static_cast<std::uint64_t>(sizes[0]);
  const auto all_out = static_cast<std::uint64_t>(sizes[1]);
  const char* const what = group.size() > 1 ? "scores on all ranks together" : "scores";
  check_at_least("in", all_in, 1, what);
  check_at_least("out", all_out, 1, what);
  Figures figures(all_in, all_out, positive);
  visit_points(own, group, [&](const OperatingPoint& point) { figures.add(point); });
  return figures.metrics();
}

DetectionIntervals detection_intervals(std::span<const double> in, std::span<const double> out,
                                       Positive positive, const Stream& stream,
                                       const BootstrapOptions& options) {
  options.check();
  const RocCurve curve = roc_curve(in, out);
  std::vector<DetectionMetrics> resamples(options.resamples);
  for_each_resample(in.size(), out.size(), stream, options,
                    [&](std::size_t r, const auto& in_counts, const auto& out_counts) {
                      resamples[r] = metrics_of(curve, in_counts, out_counts, positive);
                    });
  return intervals_of(resamples, options.level);
}

std::vector<ComparedDetector> compare_detectors(std::span<const ScoredSides> detectors,
                                                Positive positive, const Stream& stream,
                                                const BootstrapOptions& options) {
  options.check();
  check_at_least("detectors", detectors.size(), 1);
  const auto [first_in, first_out] = detectors.front();
  std::vector<Ranked> ranked;
  for (const auto& [in, out] : detectors) {
    check_size("detectors", in.size(), first_in.size(), "known rows, as of the first");
    check_size("detectors", out.size(), first_out.size(), "unknown rows, as of the first");
    ranked.push_back({roc_curve(in, out), descending(in), descending(out)});
  }
  std::vector<std::vector<DetectionMetrics>> resamples(
      detectors.size(), std::vector<DetectionMetrics>(options.resamples));
  for_each_resample(first_in.size(), first_out.size(), stream, options,
                    [&](std::size_t r, const auto& in_counts, const auto& out_counts) {
                      for (std::size_t d = 0; d < ranked.size(); ++d) {
                        const auto& [curve, in, out] = ranked[d];
                        resamples[d][r] = metrics_of(curve, in_order(in_counts, in),
                                                     in_order(out_counts, out), positive);
                      }
                    });

  std::vector<ComparedDetector> result;
  std::size_t best = 0;
  for (std::size_t d = 0; d < ranked.size(); ++d) {
    result.push_back(
        {metrics_of(ranked[d].curve, positive), intervals_of(resamples[d], options.level), {}});
    if (result[d].metrics.auroc > result[best].metrics.auroc) best = d;
  }
  for (std::size_t d = 0; d < ranked.size(); ++d) {
    std::vector<double> less(options.resamples);
    for (std::size_t r = 0; r < less.size(); ++r) {
      less[r] = resamples[d][r].auroc - resamples[best][r].auroc;
    }
    result[d].auroc_less_best = percentile_interval(std::move(less), options.level);
  }
  return result;
}

}  // namespace partita
