// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/detection_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/detection/internal/roc_points.hpp"
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

/// One rank's part of scores: rank 1 of three has none.
Scores part_of(const Scores& all, const Group& group) {
  if (group.size() == 1) return all;
  Scores own;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int owner = i % 3 == 0 ? 0 : group.size() - 1;
    if (owner == group.rank()) own.push_back(all[i]);
  }
  return own;
}

TEST(DetectionMetrics, AreThoseOfAllRanks) {
  Scores in = normals(3000, 1, {1, 0});
  Scores out = normals(2000, 0, {1, 1});
  for (Scores* side : {&in, &out}) {
    for (std::size_t i = 0; i < side->size(); i += 2) (*side)[i] = std::round((*side)[i]);
    side->push_back(std::numeric_limits<double>::infinity());
    side->push_back(-std::numeric_limits<double>::infinity());
  }
  for (const Positive positive : {Positive::in, Positive::out}) {
    const DetectionMetrics whole = detection_metrics(in, out, positive);
    for (const int ranks : {1, 2, 3}) {
      run_threads(ranks, [&](Group& group) {
        const DetectionMetrics m =
            detection_metrics(part_of(in, group), part_of(out, group), positive, group);
        EXPECT_EQ(m.auroc, whole.auroc);
        EXPECT_EQ(m.aupr_in, whole.aupr_in);
        EXPECT_EQ(m.aupr_out, whole.aupr_out);
        EXPECT_EQ(m.fpr_at_95_tpr, whole.fpr_at_95_tpr);
        EXPECT_EQ(m.detection_accuracy, whole.detection_accuracy);
      });
    }
  }
}

TEST(RocPoints, AreMergedInBlocksOfAnySize) {
  const Scores in = {3, 1, 1, 7, 2, -4, 1};
  const Scores out = {1, 2, 2, -4, 9};
  // The scores 9, 7, 3, 2, 1, -4.
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected = {{0, 1}, {1, 1}, {2, 1},
                                                                         {3, 3}, {6, 4}, {7, 5}};
  for (const int ranks : {1, 2, 3}) {
    for (const std::size_t block : {1U, 2U, 3U, 100U}) {
      run_threads(ranks, [&](Group& group) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
        const RocCurve own =
            points_of(descending("in", part_of(in, group)), descending("out", part_of(out, group)));
        visit_points(
            own, group,
            [&](const OperatingPoint& point) {
              seen.emplace_back(point.true_positives, point.false_positives);
            },
            block);
        EXPECT_EQ(seen, expected) << ranks << ' ' << block;
      });
    }
  }
}

TEST(DetectionMetrics, RefuseOnEveryRank) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  run_threads(2, [&](Group& group) {
    const Scores some = {1, 2};
    const Scores bad = group.rank() == 1 ? Scores{1, nan} : some;
    EXPECT_EQ(testing::message_of<InvalidArgument>(
                  [&] { detection_metrics(some, bad, Positive::in, group); }),
              "out: rank 1: score 1 is NaN");
    EXPECT_EQ(testing::message_of<InvalidArgument>(
                  [&] { detection_metrics({}, some, Positive::in, group); }),
              "in: expected 1 or more (scores on all ranks together), got 0");
  });
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

TEST(CompareDetectors, ShareTheirResamples) {
  const Scores in = normals(60, 1, {6, 0});
  const Scores out = normals(40, 0, {6, 1});
  const auto noisy = [](const Scores& scores, double sigma, std::uint64_t id) {
    Scores more = normals(scores.size(), 0, {7, id});
    for (std::size_t i = 0; i < more.size(); ++i) more[i] = std::round(sigma * more[i] + scores[i]);
    return more;
  };
  const Scores in_noisy = noisy(in, 0.8, 0);
  const Scores out_noisy = noisy(out, 0.8, 1);
  const ScoredSides detectors[] = {{in_noisy, out_noisy}, {in, out}, {in, out}};
  const BootstrapOptions options{.resamples = 150, .level = 0.8};
  const Stream stream{.seed = 8};
  const auto compared = compare_detectors(detectors, Positive::out, stream, options);

  std::vector<double> aurocs;
  std::vector<double> less;
  for (std::size_t r = 0; r < options.resamples; ++r) {
    const auto drawn = [&](const Scores& scores, std::uint64_t side) {
      std::vector<std::uint32_t> counts(scores.size());
      resample(stream.child(r).child(side), counts);
      Scores result;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        result.insert(result.end(), counts[i], scores[i]);
      }
      return result;
    };
    const auto auroc_of = [&](const Scores& a, const Scores& b) {
      return detection_metrics(drawn(a, 0), drawn(b, 1), Positive::out).auroc;
    };
    aurocs.push_back(auroc_of(in_noisy, out_noisy));
    less.push_back(aurocs.back() - auroc_of(in, out));
  }
  const auto expect_near = [](const Interval& found, const Interval& expected) {
    EXPECT_NEAR(found.low, expected.low, 1e-14);
    EXPECT_NEAR(found.high, expected.high, 1e-14);
  };
  expect_near(compared[0].intervals.auroc, percentile_interval(aurocs, 0.8));
  expect_near(compared[0].auroc_less_best, percentile_interval(less, 0.8));
  expect_near(compared[1].auroc_less_best, {0, 0});
  expect_near(compared[2].auroc_less_best, {0, 0});
  expect_equal(compared[1].intervals, compared[2].intervals);
  EXPECT_EQ(compared[1].metrics.aupr_out, detection_metrics(in, out, Positive::out).aupr_out);
  const auto again = compare_detectors(detectors, Positive::out, stream,
                                       {.resamples = 150, .level = 0.8, .threads = 3});
  expect_equal(again[0].intervals, compared[0].intervals);
}

TEST(CompareDetectors, ADifferenceOfNothingIsRarelySeen) {
  // Two detectors that see the same thing through noise of their own. The difference of the one
  // that came out lower is half-normal, so its 95 % interval reaches 0 in 95 % of trials: of 150,
  // 142.5 +- 2.7; bounds are five deviations away, and one more for percentile intervals of few
  // rows.
  constexpr std::uint64_t kTrials = 150;
  int covered = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Scores shared = normals(120, 0, {9, trial});
    const auto seen = [&](double mean, std::uint64_t id) {
      Scores scores = normals(120, mean, {10, 4 * trial + id});
      for (std::size_t i = 0; i < scores.size(); ++i) scores[i] += shared[i];
      return scores;
    };
    const Scores all[] = {seen(1, 0), seen(0, 1), seen(1, 2), seen(0, 3)};
    const ScoredSides detectors[] = {{all[0], all[1]}, {all[2], all[3]}};
    const auto compared =
        compare_detectors(detectors, Positive::in, {.seed = trial}, {.resamples = 200});
    const bool worse = compared[0].metrics.auroc < compared[1].metrics.auroc;
    if (compared[worse ? 0 : 1].auroc_less_best.high >= 0) ++covered;
  }
  EXPECT_GT(covered, 126);
  EXPECT_LT(covered, 150);
}

TEST(CompareDetectors, RefusesScoresOfOtherRows) {
  const Scores two = {1, 2};
  const Scores three = {1, 2, 3};
  const ScoredSides detectors[] = {{two, two}, {two, three}};
  EXPECT_EQ(
      testing::message_of<InvalidArgument>([&] { compare_detectors(detectors, Positive::in, {}); }),
      "detectors: expected 2 (unknown rows, as of the first), got 3");
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { compare_detectors({}, Positive::in, {}); }),
            "detectors: expected 1 or more, got 0");
}

}  // namespace
}  // namespace partita
