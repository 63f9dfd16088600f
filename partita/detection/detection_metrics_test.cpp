// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/detection_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/roc.hpp"
#include "partita/random/stream.hpp"

namespace partita {
namespace {

using Scores = std::vector<double>;

Scores normals(std::size_t n, double mean, Stream stream) {
  Scores out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = mean + stream.normal(i);
  return out;
}

TEST(DetectionMetrics, AreThoseOfTheCurves) {
  const Scores in = normals(50, 1, {1, 0});
  const Scores out = normals(30, 0, {1, 1});
  const RocCurve curve = roc_curve(in, out);
  for (const Positive positive : {Positive::in, Positive::out}) {
    const DetectionMetrics m = detection_metrics(in, out, positive);
    EXPECT_EQ(m.auroc, auroc(curve));
    EXPECT_EQ(m.aupr_in, average_precision(curve));
    EXPECT_EQ(m.aupr_out, average_precision(mirrored(curve)));
    EXPECT_EQ(m.detection_accuracy, detection_accuracy(curve));
    EXPECT_EQ(m.fpr_at_95_tpr,
              fpr_at_tpr(positive == Positive::in ? curve : mirrored(curve), 0.95));
  }
  EXPECT_NE(detection_metrics(in, out, Positive::in).fpr_at_95_tpr,
            detection_metrics(in, out, Positive::out).fpr_at_95_tpr);
}

/// The interval by its definition: resampled scores, and their metrics.
DetectionIntervals by_definition(const Scores& in, const Scores& out, Positive positive,
                                 const Stream& stream, const BootstrapOptions& options) {
  const auto drawn = [](const Scores& scores, const Stream& of_side) {
    Scores sorted = scores;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());  // the order that counts refer to
    std::vector<std::uint32_t> counts(scores.size());
    resample(of_side, counts);
    Scores result;
    for (std::size_t i = 0; i < counts.size(); ++i)
      result.insert(result.end(), counts[i], sorted[i]);
    return result;
  };
  std::vector<DetectionMetrics> all;
  for (std::size_t r = 0; r < options.resamples; ++r) {
    all.push_back(detection_metrics(drawn(in, stream.child(r).child(0)),
                                    drawn(out, stream.child(r).child(1)), positive));
  }
  const auto interval = [&](double DetectionMetrics::*figure) {
    std::vector<double> values;
    for (const auto& metrics : all) values.push_back(metrics.*figure);
    return percentile_interval(values, options.level);
  };
  return {interval(&DetectionMetrics::auroc), interval(&DetectionMetrics::aupr_in),
          interval(&DetectionMetrics::aupr_out), interval(&DetectionMetrics::fpr_at_95_tpr),
          interval(&DetectionMetrics::detection_accuracy)};
}

void expect_equal(const DetectionIntervals& a, const DetectionIntervals& b) {
  const auto equal = [](const Interval& x, const Interval& y) {
    EXPECT_EQ(x.low, y.low);
    EXPECT_EQ(x.high, y.high);
  };
  equal(a.auroc, b.auroc);
  equal(a.aupr_in, b.aupr_in);
  equal(a.aupr_out, b.aupr_out);
  equal(a.fpr_at_95_tpr, b.fpr_at_95_tpr);
  equal(a.detection_accuracy, b.detection_accuracy);
}

TEST(DetectionIntervals, EqualTheirDefinition) {
  Scores in = normals(40, 1, {2, 0});
  Scores out = normals(3, 0, {2, 1});
  const BootstrapOptions options{.resamples = 200, .level = 0.8};
  const Stream stream{.seed = 5, .id = 9};
  for (const Positive positive : {Positive::in, Positive::out}) {
    expect_equal(detection_intervals(in, out, positive, stream, options),
                 by_definition(in, out, positive, stream, options));
  }
  for (Scores* scores : {&in, &out}) {
    for (double& s : *scores) s = std::round(s);  // ties
  }
  expect_equal(detection_intervals(in, out, Positive::out, stream, options),
               by_definition(in, out, Positive::out, stream, options));
}

TEST(DetectionIntervals, ThreadsChangeNothing) {
  const Scores in = normals(500, 1, {3, 0});
  const Scores out = normals(200, 0, {3, 1});
  expect_equal(detection_intervals(in, out, Positive::in, {}, {.resamples = 101}),
               detection_intervals(in, out, Positive::in, {}, {.resamples = 101, .threads = 4}));
}

TEST(DetectionIntervals, CoverTheTruth) {
  // N(1, 1) against N(0, 1): AUROC = Phi(1 / sqrt 2), best accuracy Phi(1/2). The largest of noise
  // is its accuracy's bias upward, so only AUROC's interval is held to its level: of 400 of 90 %
  // some 360 cover; 5 sigma are 30, and percentile intervals of 80 + 60 scores are a little narrow.
  const double truth = std::erfc(-1 / 2.0) / 2;
  int covered = 0;
  constexpr std::uint64_t kTrials = 400;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Scores in = normals(80, 1, {4, 2 * trial});
    const Scores out = normals(60, 0, {4, 2 * trial + 1});
    const auto [low, high] = detection_intervals(in, out, Positive::in, {.seed = trial},
                                                 {.resamples = 400, .level = 0.9})
                                 .auroc;
    if (low <= truth && truth <= high) ++covered;
  }
  EXPECT_GT(covered, 326);
  EXPECT_LT(covered, 388);
}

TEST(DetectionIntervals, RefusesWhatHasNoAnswer) {
  const Scores some = {1, 2};
  const auto refusal = [&](const Scores& out, const BootstrapOptions& options) {
    return testing::message_of<InvalidArgument>(
        [&] { detection_intervals(some, out, Positive::in, {}, options); });
  };
  EXPECT_EQ(refusal(some, {.resamples = 1}), "resamples: expected 2 or more, got 1");
  EXPECT_EQ(refusal(some, {.level = 1}), "level: expected a number in (0, 1), got 1");
  EXPECT_EQ(refusal({}, {}), "negative: expected 1 or more (scores), got 0");
}

}  // namespace
}  // namespace partita
