// SPDX-License-Identifier: Apache-2.0
// The form that all scores share; their values are in golden_test.cpp.
#include "partita/detection/detector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/random/fill.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kClasses = 3;
constexpr std::size_t kColumns = 6;

/// Features after a ReLU, around one corner for each class, and a last layer that tells them apart.
struct Data {
  explicit Data(std::size_t n, std::uint64_t seed = 1) : count(n), features(n * kColumns) {
    fill_normal({.seed = seed}, 0, features);
    for (std::size_t i = 0; i < features.size(); ++i) {
      const std::size_t label = i / kColumns % kClasses;
      features[i] = std::max(0.0, features[i] + (i % kColumns == label ? 4 : 0.5));
      if (i % kColumns == 0) labels.push_back(static_cast<std::int64_t>(label));
    }
    for (std::size_t i = 0; i < kClasses * kColumns; ++i) {
      weight.push_back((i % kColumns == i / kColumns ? 1 : 0) + 0.01 * static_cast<double>(i % 5));
    }
  }
  Rows rows() const { return {features.data(), count, kColumns}; }
  Rows weights() const { return {weight.data(), kClasses, kColumns}; }
  KnownInputs known() const {
    return {.rows = rows(), .labels = labels, .layer = LastLayer{weights(), bias}};
  }

  std::size_t count;
  std::vector<double> features;
  std::vector<std::int64_t> labels;
  std::vector<double> weight;
  std::vector<double> bias = {0.3, -0.2, 0.1};
};

std::string refusal(DetectionScore score, const KnownInputs& known,
                    const DetectorOptions& options = {}) {
  return message_of<InvalidArgument>([&] { Detector::fit(score, known, options); });
}

TEST(Detector, ScoresHaveNames) {
  EXPECT_EQ(detection_scores().size(), 19U);
  for (const DetectionScore score : detection_scores()) {
    EXPECT_EQ(detection_score_named(name_of(score)), score);
  }
  EXPECT_EQ(name_of(DetectionScore::kl_matching), "kl-matching");
  EXPECT_EQ(name_of(DetectionScore::nnguide), "nnguide");
  EXPECT_FALSE(detection_score_named("odds"));
}

TEST(Detector, AsksForWhatItNeedsAndForNothingElse) {
  const Data data(300);
  const Data unknown(40, 2);
  for (const DetectionScore score : detection_scores()) {
    const auto [layer, rows, labels] = needs_of(score);
    const std::string name(name_of(score));
    KnownInputs known;
    const auto expect_refused = [&](bool needed, const std::string& argument) {
      if (!needed) return;
      EXPECT_EQ(refusal(score, known), argument + ": required by " + name);
    };
    expect_refused(layer, "layer");
    if (layer) known.layer = data.known().layer;
    expect_refused(rows, "rows");
    if (rows) known.rows = data.rows();
    expect_refused(labels, "labels");
    if (labels) known.labels = data.labels;
    // Without a layer, rows would be logits of six classes, and labels are of three.
    if (score == DetectionScore::openmax) known.layer = data.known().layer;
    const auto found = Detector::fit(score, known).scores(unknown.rows());
    const auto all = Detector::fit(score, data.known()).scores(unknown.rows());
    // More is no hindrance. A layer makes features of rows, which matters to scores of logits.
    const bool of_logits = score <= DetectionScore::kl_matching;
    EXPECT_EQ(found == all, !of_logits) << name;
  }
}

TEST(Detector, ScoresOfLogitsAreThoseOfTheLayersLogits) {
  const Data data(50);
  std::vector<double> logits;
  for (std::size_t r = 0; r < data.count; ++r) {
    for (std::size_t c = 0; c < kClasses; ++c) {
      double z = data.bias[c];
      for (std::size_t i = 0; i < kColumns; ++i) {
        z += data.weight[c * kColumns + i] * data.features[r * kColumns + i];
      }
      logits.push_back(z);
    }
  }
  const Rows z(logits.data(), data.count, kClasses);
  const auto check = [&](DetectionScore score, const std::vector<double>& expected) {
    const DetectorOptions options{.temperature = 2};
    EXPECT_EQ(Detector::fit(score, {}, options).scores(z), expected);
    const auto found =
        Detector::fit(score, {.layer = data.known().layer}, options).scores(data.rows());
    for (std::size_t r = 0; r < found.size(); ++r) EXPECT_NEAR(found[r], expected[r], 1e-12);
  };
  check(DetectionScore::msp, logit_scores(LogitScore::msp, z, 2));
  check(DetectionScore::max_logit, logit_scores(LogitScore::max_logit, z, 2));
  check(DetectionScore::entropy, logit_scores(LogitScore::entropy, z, 2));
  check(DetectionScore::energy, logit_scores(LogitScore::energy, z, 2));
  check(DetectionScore::gen, generalized_entropy_scores(z));
  const auto by_logits = Detector::fit(DetectionScore::kl_matching, {.rows = z}).scores(z);
  const auto by_features =
      Detector::fit(DetectionScore::kl_matching, data.known()).scores(data.rows());
  const auto openmax =
      Detector::fit(DetectionScore::openmax, {.rows = z, .labels = data.labels}).scores(z);
  const auto openmax_by_features =
      Detector::fit(DetectionScore::openmax, data.known()).scores(data.rows());
  for (std::size_t r = 0; r < 50; ++r) {
    EXPECT_NEAR(by_logits[r], by_features[r], 1e-12);
    EXPECT_NEAR(openmax[r], openmax_by_features[r], 1e-9);
  }
}

TEST(Detector, ThreadsAndFormatsChangeNothing) {
  const Data data(1300);  // three blocks
  std::vector<float> single(data.features.begin(), data.features.end());
  std::vector<double> rounded(single.begin(), single.end());
  std::vector<double> wide(std::size_t{2600} * kColumns, kNan);
  for (std::size_t i = 0; i < rounded.size(); ++i) wide[2 * i] = rounded[i];
  const Rows of_single(single.data(), 1300, kColumns);
  const Rows of_rounded(rounded.data(), 1300, kColumns);
  const Rows strided(wide.data(), 1300, kColumns, 2 * kColumns, 2);
  for (const DetectionScore score : detection_scores()) {
    KnownInputs known = data.known();
    known.rows = of_rounded;
    const auto expected = Detector::fit(score, known).scores(of_rounded);
    EXPECT_EQ(Detector::fit(score, known, {.threads = 3}).scores(of_rounded, {.threads = 3}),
              expected)
        << name_of(score);
    known.rows = of_single;
    EXPECT_EQ(Detector::fit(score, known).scores(strided), expected) << name_of(score);
  }
}

TEST(Detector, BadRowsFailAlone) {
  const Data data(60);
  Data bad = data;
  bad.features[4 * kColumns + 1] = kNan;
  bad.features[7 * kColumns + 2] = -0.5;
  for (std::size_t c = 0; c < kColumns; ++c) bad.features[9 * kColumns + c] = 0;
  for (const DetectionScore score : detection_scores()) {
    const auto detector = Detector::fit(score, data.known());
    std::vector<RowError> errors;
    const auto scores = detector.scores(bad.rows(), {.threads = 2, .errors = &errors});
    const bool relu = score == DetectionScore::ash_s || score == DetectionScore::scale;
    const bool direction = score == DetectionScore::knn || score == DetectionScore::nnguide;
    ASSERT_EQ(errors.size(), relu ? 3U : direction ? 2U : 1U) << name_of(score);
    EXPECT_EQ(errors[0].reason, "NaN at column 1");
    if (relu) {
      EXPECT_EQ(errors[1].reason, "a negative feature at column 2");
    }
    if (relu || direction) {
      EXPECT_THAT(errors.back().reason, StartsWith("all zero"));
    }
    const auto alone = detector.scores(data.rows());
    for (std::size_t r = 0; r < 60; ++r) {
      if (r == 4 || r == 7 || r == 9) continue;
      EXPECT_EQ(scores[r], alone[r]) << name_of(score) << " " << r;
    }
    for (const RowError& error : errors) EXPECT_TRUE(std::isnan(scores[error.row]));
  }
}

TEST(Detector, ImpossibleClassesMatch) {
  // Class 2 is never predicted, and impossible in every row.
  const double z[] = {2, 0, -kInfinity, 0, 1, -kInfinity};
  const Rows logits(z, 2, 3);
  const auto detector = Detector::fit(DetectionScore::kl_matching, {.rows = logits});
  EXPECT_THAT(detector.scores(logits), ElementsAre(0, 0));
  const double p[] = {0, 0, -kInfinity, 0, 0, 0};
  const auto scores = detector.scores({p, 2, 3});
  const double q = 1 / (1 + std::exp(-1));  // the nearer of the two
  EXPECT_NEAR(scores[0], 0.5 * std::log(q * (1 - q)) + std::log(2), 1e-14);
  EXPECT_LT(scores[1], -200);  // a third of a class that was impossible
}

TEST(Detector, RefusesWhatHasNoValue) {
  const Data data(60);
  KnownInputs known = data.known();
  const std::vector<std::int64_t> moved(60, 1);
  known.labels = moved;
  EXPECT_EQ(refusal(DetectionScore::she, known),
            "labels: no known row of class 0 is classified as such, as she needs");
  EXPECT_EQ(refusal(DetectionScore::openmax, known),
            "labels: no known row of class 0 is classified as such, as openmax needs");
  const std::vector<std::int64_t> beyond(60, 3);
  known.labels = beyond;
  EXPECT_EQ(refusal(DetectionScore::she, known), "labels: row 0: expected 0..2 (classes), got 3");
  known.labels = known.labels.first(59);
  EXPECT_EQ(refusal(DetectionScore::she, known), "labels: expected 60 (one for each row), got 59");
  known = data.known();
  EXPECT_EQ(refusal(DetectionScore::vim, known, {.dimension = 6}),
            "dimension: expected 0..5 (fewer than features), got 6");
  EXPECT_EQ(refusal(DetectionScore::nnguide, known, {.k = 61}),
            "k: expected 1..60 (training rows), got 61");
  EXPECT_EQ(refusal(DetectionScore::knn, known, {.k = 0}),
            "k: expected 1..60 (training rows), got 0");
  EXPECT_THAT(refusal(DetectionScore::react, known, {.percentile = 100}),
              StartsWith("percentile: expected a number in [0, 100)"));
  EXPECT_THAT(refusal(DetectionScore::gen, known, {.gamma = 0}), StartsWith("gamma"));
  EXPECT_THAT(refusal(DetectionScore::gen, known, {.largest = 0}), StartsWith("largest"));
  EXPECT_EQ(refusal(DetectionScore::openmax, known, {.tail = 1}),
            "tail: expected 2 or more, got 1");
  const Data few(6);  // two rows of a class are equally far from their mean
  EXPECT_THAT(refusal(DetectionScore::openmax, few.known()),
              HasSubstr("too few, or all alike: no distribution of distances"));
  const std::vector<double> flat(kClasses * kColumns, 1.0);
  known.layer = LastLayer{{flat.data(), kClasses, kColumns}};
  EXPECT_EQ(refusal(DetectionScore::fdbd, known),
            "layer: classes 0 and 1 have the same weight: fdbd has no boundary");
  known.layer = LastLayer{data.weights(), std::span(data.bias).first(2)};
  EXPECT_EQ(refusal(DetectionScore::vim, known),
            "layer: expected 3 (biases, one for each class), got 2");
  known.layer = LastLayer{{flat.data(), kClasses, kColumns - 1}};
  EXPECT_EQ(refusal(DetectionScore::dice, known),
            "rows: expected 5 (columns, as in the last layer), got 6");
  const Data spoiled = [&] {
    Data copy = data;
    copy.features[7] = kInfinity;
    return copy;
  }();
  for (const DetectionScore score : detection_scores()) {
    if (!needs_of(score).rows) continue;
    EXPECT_THAT(refusal(score, spoiled.known()), HasSubstr("row 1: +inf at column 1"))
        << name_of(score);
    EXPECT_THAT(message_of<InvalidArgument>([&] {
                  Detector::fit(score, data.known()).scores({flat.data(), 3, 4});
                }),
                HasSubstr("expected 6 (columns"))
        << name_of(score);
  }
}

}  // namespace
}  // namespace partita
