// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/roc.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using Scores = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Scores of which many are tied.
Scores tied(const std::vector<int>& draws) {
  Scores out;
  for (const int x : draws) out.push_back(x % 7);
  return out;
}

/// The definitions as they stand, over all pairs and all thresholds.
double pairs_in_order(const Scores& in, const Scores& out) {
  double sum = 0;
  for (const double i : in) {
    for (const double o : out) sum += i > o ? 1 : i == o ? 0.5 : 0;
  }
  return sum / static_cast<double>(in.size() * out.size());
}

double share_at_most(const Scores& scores, double t) {
  return static_cast<double>(
             std::count_if(scores.begin(), scores.end(), [&](double s) { return s <= t; })) /
         static_cast<double>(scores.size());
}

double best_accuracy(const Scores& in, const Scores& out) {
  Scores thresholds = {-kInfinity, kInfinity};
  thresholds.insert(thresholds.end(), in.begin(), in.end());
  thresholds.insert(thresholds.end(), out.begin(), out.end());
  double least = 1;
  for (const double t : thresholds) {
    least = std::min(least, (share_at_most(in, t) + 1 - share_at_most(out, t)) / 2);
  }
  return 1 - least;
}

Scores negated(Scores scores) {
  for (double& s : scores) s = -s;
  return scores;
}

RC_GTEST_PROP(Roc, EqualsItsDefinitions, ()) {
  const auto in = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const auto out = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const RocCurve curve = roc_curve(in, out);
  RC_ASSERT(std::abs(auroc(curve) - pairs_in_order(in, out)) < 1e-14);
  RC_ASSERT(std::abs(detection_accuracy(curve) - best_accuracy(in, out)) < 1e-14);
  double fpr = 1;
  for (const double t : in) {  // called in: s >= t
    if (1 - share_at_most(in, std::nextafter(t, -kInfinity)) < 0.95) continue;
    fpr = std::min(fpr, 1 - share_at_most(out, std::nextafter(t, -kInfinity)));
  }
  RC_ASSERT(std::abs(fpr_at_tpr(curve, 0.95) - fpr) < 1e-14);
}

RC_GTEST_PROP(Roc, TheOtherSideIsThatOfNegatedScores, ()) {
  const auto in = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const auto out = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const RocCurve curve = roc_curve(in, out);
  const RocCurve other = mirrored(curve);
  RC_ASSERT(other == roc_curve(negated(out), negated(in)));
  RC_ASSERT(mirrored(other) == curve);
  RC_ASSERT(auroc(other) == auroc(curve));
  RC_ASSERT(std::abs(detection_accuracy(other) - detection_accuracy(curve)) < 1e-15);
}

RC_GTEST_PROP(Roc, OnlyTheOrderOfTheScoresMatters, ()) {
  const auto in = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const auto out = tied(*rc::gen::nonEmpty<std::vector<int>>());
  const RocCurve curve = roc_curve(in, out);
  constexpr auto kEnds = [](double s) { return std::abs(s) == 6 ? s * kInfinity : s; };
  for (const auto map :
       {+[](double s) { return std::exp(100 * s); }, +[](double s) { return 1e-300 * s - 1e-290; },
        +[](double s) { return -std::log1p(std::exp(-s)); }, +kEnds}) {
    const auto mapped = [&](Scores scores) {
      std::transform(scores.begin(), scores.end(), scores.begin(), map);
      return scores;
    };
    const RocCurve other = roc_curve(mapped(in), mapped(out));
    RC_ASSERT(auroc(other) == auroc(curve));
    RC_ASSERT(average_precision(other) == average_precision(curve));
    RC_ASSERT(fpr_at_tpr(other, 0.95) == fpr_at_tpr(curve, 0.95));
    RC_ASSERT(detection_accuracy(other) == detection_accuracy(curve));
  }
}

TEST(Roc, PointsOfASmallCase) {
  const RocCurve expected = {
      {kInfinity, 0, 0}, {4, 1, 0}, {3, 1, 1}, {2, 3, 2}, {-kInfinity, 3, 3}};
  EXPECT_EQ(roc_curve(Scores{2, 4, 2}, Scores{3, 2, -kInfinity}), expected);
  EXPECT_EQ(auroc(expected),
            (3 + 2 * 1.5) / 9);  // 4 beats three; each 2 beats -inf and ties with 2
}

TEST(Roc, TiedThroughoutIsChance) {
  const RocCurve curve = roc_curve(Scores(9, 0.3), Scores(3, 0.3));
  EXPECT_EQ(auroc(curve), 0.5);
  EXPECT_EQ(detection_accuracy(curve), 0.5);
  EXPECT_EQ(average_precision(curve), 0.75);
  EXPECT_EQ(average_precision(mirrored(curve)), 0.25);
  EXPECT_EQ(fpr_at_tpr(curve, 0.95), 1);
}

TEST(Roc, ScoresThatPointTheWrongWayAreNoBetterThanTheEnds) {
  const RocCurve curve = roc_curve(Scores{0, 1}, Scores{2, 3});
  EXPECT_EQ(auroc(curve), 0);
  EXPECT_EQ(detection_accuracy(curve), 0.5);  // by calling everything in, or nothing
}

TEST(Roc, WhichSideIsPositiveMatters) {
  // One out among the best of twenty in: at 95 % of in, nothing of out need be let through; to find
  // all of out, most of in must go.
  Scores in;
  for (int i = 0; i < 20; ++i) in.push_back(i);
  const RocCurve curve = roc_curve(in, Scores{0.5});
  EXPECT_EQ(fpr_at_tpr(curve, 0.95), 0);  // 19 of 20 score 1 or more
  EXPECT_EQ(fpr_at_tpr(mirrored(curve), 0.95), 0.05);
}

TEST(Roc, LargeSamplesAreExact) {
  // in is 1..n and out 0..n-1: pairs in order are all but those below the diagonal.
  constexpr std::size_t kN = 1'000'000;
  Scores in(kN);
  Scores out(kN);
  for (std::size_t i = 0; i < kN; ++i) {
    in[i] = static_cast<double>(kN - i);
    out[i] = static_cast<double>(i);
  }
  // sum over i = 1..n of (outs below i) = i, and half of the one equal to it (none for i = n).
  const auto n = static_cast<double>(kN);
  EXPECT_EQ(auroc(roc_curve(in, out)), ((n * (n + 1) / 2) + (n - 1) / 2) / (n * n));
}

TEST(ThresholdAtTpr, AcceptsTheShareAskedForAndNoMoreThanItMust) {
  Scores scores;
  for (int i = 19; i >= 0; --i) scores.push_back(i);
  EXPECT_EQ(threshold_at_tpr(scores, 0.95), 1);  // 19 of 20 are exactly 95 %
  EXPECT_EQ(threshold_at_tpr(scores, 0.951), 0);
  EXPECT_EQ(threshold_at_tpr(scores, 1), 0);
  EXPECT_EQ(threshold_at_tpr(scores, 1e-9), 19);
  EXPECT_EQ(threshold_at_tpr(Scores{1, 1, 0}, 0.5), 1);
  EXPECT_EQ(threshold_at_tpr(Scores{-kInfinity}, 0.5), -kInfinity);
}

TEST(ConformalThreshold, IsTheScoreOfItsRank) {
  Scores scores;
  for (int i = 19; i >= 1; --i) scores.push_back(i);
  EXPECT_EQ(conformal_threshold(scores, 0.05), 1);  // floor(.05 * 20) = 1
  EXPECT_EQ(conformal_threshold(scores, 0.0499), -kInfinity);
  EXPECT_EQ(conformal_threshold(scores, 0.1), 2);
  EXPECT_EQ(conformal_threshold(scores, 0.999), 19);
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { conformal_threshold(scores, 1); }),
            "alpha: expected a number in (0, 1), got 1");
}

TEST(ConformalThreshold, RejectsKnownRowsAsRarelyAsPromised) {
  // Of 20,000 sets of 30 scores and one more, floor(.1 * 31) / 31 = .0968 reject the one; deviation
  // .0021. The share of the 30 themselves, threshold_at_tpr, rejects more than .1.
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  double conformal = 0;
  double plain = 0;
  constexpr int kTrials = 20'000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Scores known(30);
    for (double& s : known) s = normal(random);
    const double fresh = normal(random);
    conformal += fresh < conformal_threshold(known, 0.1) ? 1 : 0;
    plain += fresh < threshold_at_tpr(known, 0.9) ? 1 : 0;
  }
  EXPECT_NEAR(conformal / kTrials, 3 / 31.0, 0.011);
  EXPECT_GT(plain / kTrials, 0.11);
}

TEST(Roc, RefusesWhatHasNoAnswer) {
  const Scores some = {1, 2};
  using testing::message_of;
  EXPECT_EQ(message_of<InvalidArgument>([&] { roc_curve({}, some); }),
            "positive: expected 1 or more (scores), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { roc_curve(some, {}); }),
            "negative: expected 1 or more (scores), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              roc_curve(some, Scores{1, kNan});
            }),
            "negative: score 1 is NaN");
  const RocCurve curve = roc_curve(some, some);
  for (const double tpr : {0.0, -1.0, 1.01, kNan}) {
    EXPECT_THROW(fpr_at_tpr(curve, tpr), InvalidArgument);
    EXPECT_THROW(threshold_at_tpr(some, tpr), InvalidArgument);
  }
  EXPECT_EQ(message_of<InvalidArgument>([&] { threshold_at_tpr({}, 0.5); }),
            "positive: expected 1 or more (scores), got 0");
}

}  // namespace
}  // namespace partita
