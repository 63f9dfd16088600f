// SPDX-License-Identifier: Apache-2.0
// Measures of confidences: smooth_ece, risk_coverage and decompositions of scores.
#include "partita/calibration/smooth_ece.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/risk_coverage.hpp"
#include "partita/calibration/score_decomposition.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

using testing::make_labeled;
using testing::message_of;

/// Rows whose confidence is uniform on [low, 1], right with the probability confidence^power.
Confidences drawn(std::size_t rows, double low, double power, std::uint64_t seed) {
  Confidences out;
  Draws draws({.seed = seed});
  for (std::size_t r = 0; r < rows; ++r) {
    out.confidence.push_back(low + (1 - low) * draws.uniform());
    out.right.push_back(draws.uniform() < std::pow(out.confidence[r], power) ? 1 : 0);
  }
  return out;
}

TEST(Confidences, MeasuresAreThoseOfTheirDefinitions) {
  const auto golden = nlohmann::json::parse(read_file(PARTITA_GOLDEN_CALIBRATION));
  ASSERT_EQ(golden["confidences"].size(), 3U);
  for (const auto& each : golden["confidences"]) {
    const Confidences c{each["confidence"], each["right"]};
    const SmoothEce smooth = smooth_ece(c);
    const auto number = [](const nlohmann::json& value) { return value.get<double>(); };
    EXPECT_NEAR(smooth.value / number(each["smooth_ece"]["value"]), 1, 1e-3);
    EXPECT_NEAR(smooth.bandwidth / number(each["smooth_ece"]["bandwidth"]), 1, 1e-3);
    const RiskCoverage curve = risk_coverage(c);
    EXPECT_NEAR(curve.aurc, number(each["risk_coverage"]["aurc"]), 1e-14);
    EXPECT_NEAR(curve.e_aurc, number(each["risk_coverage"]["e_aurc"]), 1e-14);
    EXPECT_NEAR(curve.augrc, number(each["risk_coverage"]["augrc"]), 1e-14);
    EXPECT_EQ(coverage_at_risk(curve, 0.1).coverage,
              number(each["risk_coverage"]["coverage_at_a_tenth"]));
    const auto expect = [&](const ScoreDecomposition& found, const nlohmann::json& expected) {
      EXPECT_NEAR(found.score, number(expected["score"]), 1e-13);
      EXPECT_NEAR(found.reliability, number(expected["reliability"]), 1e-13);
      EXPECT_NEAR(found.resolution, number(expected["resolution"]), 1e-13);
      EXPECT_NEAR(found.uncertainty, number(expected["uncertainty"]), 1e-13);
    };
    expect(decompose_brier(c), each["brier"]);
    expect(decompose_nll(c), each["nll"]);
  }
}

TEST(Confidences, AreThoseOfTheMetrics) {
  const auto data = make_labeled(500, 6, 2, 3);
  const Calibrator calibrator(6, TemperatureScaling{2});
  for (const Calibrator* used : {static_cast<const Calibrator*>(nullptr), &calibrator}) {
    const Confidences c = confidences_of(data.view(), data.labels, used, 2);
    const auto metrics = evaluate_calibration(data.view(), data.labels, {}, used).metrics;
    double confidence = 0;
    double accuracy = 0;
    for (std::size_t r = 0; r < 500; ++r) {
      confidence += c.confidence[r] / 500;
      accuracy += c.right[r] / 500.0;
    }
    EXPECT_NEAR(confidence, metrics.confidence, 1e-14);
    EXPECT_NEAR(accuracy, metrics.accuracy, 1e-14);
  }
}

TEST(SmoothEce, ShiftedConfidencesAreOffByTheShift) {
  // 2 % of 50,000 rows fewer are right than their confidences say. With the width of .02, what the
  // kernel sees at the ends of [.3, .7] changes little, and noise adds under .001.
  Confidences c = drawn(50'000, 0, 1, 4);
  Draws draws({.seed = 5});
  for (std::size_t r = 0; r < c.rows(); ++r) {
    c.confidence[r] = 0.3 + 0.4 * c.confidence[r];
    c.right[r] = draws.uniform() < c.confidence[r] - 0.02 ? 1 : 0;
  }
  const SmoothEce smooth = smooth_ece(c);
  EXPECT_NEAR(smooth.value, 0.02, 0.006);
  EXPECT_NEAR(smooth.value, smooth.bandwidth, 1e-6);
}

TEST(SmoothEce, NothingWrongIsTheLeastWidth) {
  const Confidences sure{{1, 1, 0, 0}, {1, 1, 0, 0}};
  EXPECT_EQ(smooth_ece(sure).value, 0);
  EXPECT_EQ(smooth_ece(sure).bandwidth, 1 / 512.0);
  EXPECT_NEAR(smooth_ece({{1}, {0}}).value, 1, 1e-6);  // as wrong as can be
  EXPECT_NEAR(smooth_ece({{0}, {1}}).value, 1, 1e-6);
}

TEST(CalibrationTest, RejectsOneInTwentyOfTheCalibrated) {
  // Of 120 calibrated sets 6 +- 2.4 have the largest of 20 errors; 22 are 6.6 deviations off. A
  // power of 2 is always seen.
  int rejected = 0;
  for (std::uint64_t trial = 0; trial < 120; ++trial) {
    const Confidences c = drawn(400, 0.5, 1, 100 + trial);
    if (calibration_test(c, {.seed = trial}, 19).p_value <= 0.05) ++rejected;
  }
  EXPECT_LT(rejected, 22);
  EXPECT_GT(rejected, 0);
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    const Confidences c = drawn(400, 0.5, 2, 300 + trial);
    EXPECT_EQ(calibration_test(c, {.seed = trial}, 39, 2).p_value, 1 / 40.0);
  }
}

/// The mean of u^2 under the kernel around t, for u uniform on [low, 1].
double smoothed_square(double t, double low, double width) {
  double mass = 0;
  double sum = 0;
  for (int i = 0; i < 4000; ++i) {
    const double u = low + (1 - low) * (i + 0.5) / 4000;
    for (const double image : {u, -u, 2 - u}) {
      const double k = std::exp(-(t - image) * (t - image) / (2 * width * width));
      mass += k;
      sum += k * u * u;
    }
  }
  return sum / mass;
}

TEST(KernelDiagram, IsTheSmoothedCurveOfTheLabels) {
  const Confidences c = drawn(40'000, 0.2, 2, 7);
  const KernelDiagram diagram = kernel_diagram(c, {.seed = 8}, {.resamples = 60, .threads = 2});
  ASSERT_EQ(diagram.confidence.size(), 128U);
  double mass = 0;
  for (std::size_t i = 0; i < 128; ++i) {
    mass += diagram.density[i] / 128;
    const double t = diagram.confidence[i];
    if (t < 0.2) continue;
    // Deviation: sqrt(.25 / (40,000 rows * width .17 * 2 sqrt(pi))) = .003.
    EXPECT_NEAR(diagram.accuracy[i], smoothed_square(t, 0.2, diagram.bandwidth), 0.02) << t;
    const auto [low, high] = diagram.band[i];
    EXPECT_LT(low, diagram.accuracy[i]);
    EXPECT_GT(high, diagram.accuracy[i]);
    EXPECT_NEAR(high - low, 0.012, 0.01);
  }
  EXPECT_NEAR(mass, 1, 1e-3);
  EXPECT_TRUE(std::isnan(kernel_diagram(drawn(100, 0.9, 1, 9), {}, {.resamples = 2}).accuracy[0]));
}

TEST(RiskCoverage, GeneralizedAreaIsThatOfItsFormula) {
  // (1 - AUROC) a (1 - a) + (1 - a)^2 / 2, with ties.
  Confidences c = drawn(300, 0, 2, 10);
  for (double& x : c.confidence) x = std::round(20 * x) / 20;
  double pairs = 0;
  double ordered = 0;
  double accuracy = 0;
  for (std::size_t a = 0; a < 300; ++a) {
    accuracy += c.right[a] / 300.0;
    for (std::size_t b = 0; b < 300; ++b) {
      if (c.right[a] == 0 || c.right[b] == 1) continue;
      pairs += 1;
      ordered += c.confidence[a] > c.confidence[b]    ? 1
                 : c.confidence[a] == c.confidence[b] ? 0.5
                                                      : 0;
    }
  }
  const double wrong = 1 - accuracy;
  EXPECT_NEAR(risk_coverage(c).augrc, (1 - ordered / pairs) * accuracy * wrong + wrong * wrong / 2,
              1e-14);
}

TEST(RiskCoverage, ByHand) {
  const Confidences c{{0.9, 0.8, 0.8, 0.5}, {1, 1, 0, 0}};
  const RiskCoverage curve = risk_coverage(c);
  ASSERT_EQ(curve.points.size(), 3U);
  EXPECT_EQ(curve.points[1].coverage, 0.75);
  EXPECT_EQ(curve.points[1].risk, 1 / 3.0);
  EXPECT_DOUBLE_EQ(curve.aurc, (0 + 1 / 3.0 + 1 / 3.0 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(curve.e_aurc, curve.aurc - (1 / 3.0 + 0.5) / 4);
  EXPECT_EQ(coverage_at_risk(curve, 0.4).threshold, 0.8);
  EXPECT_EQ(coverage_at_risk(curve, 0.1).coverage, 0.25);
  const RiskCoverage wrong = risk_coverage({{1}, {0}});
  EXPECT_EQ(coverage_at_risk(wrong, 0.5).coverage, 0);
  EXPECT_EQ(coverage_at_risk(wrong, 0.5).threshold, std::numeric_limits<double>::infinity());
  EXPECT_EQ(risk_coverage({{0.2, 0.1}, {1, 0}}).e_aurc, 0);  // the best order
}

TEST(ScoreDecomposition, OfTheCalibratedIsNoReliability) {
  const Confidences c = drawn(50'000, 0, 1, 11);
  for (const auto& [found, uncertainty] :
       {std::pair{decompose_brier(c), 0.25}, std::pair{decompose_nll(c), std::log(2)}}) {
    EXPECT_NEAR(found.score, found.reliability - found.resolution + found.uncertainty, 1e-12);
    EXPECT_GE(found.reliability, 0);
    EXPECT_LT(found.reliability, 0.002);
    EXPECT_NEAR(found.uncertainty, uncertainty, 0.002);
    EXPECT_GT(found.resolution, 0.07);
  }
  EXPECT_EQ(decompose_nll({{1, 1}, {1, 0}}).reliability, std::numeric_limits<double>::infinity());
}

TEST(Confidences, RefuseWhatIsNone) {
  const auto refusal = [](const Confidences& c) {
    return message_of<InvalidArgument>([&] { smooth_ece(c); });
  };
  EXPECT_EQ(refusal({}), "confidence: expected 1 or more (rows), got 0");
  EXPECT_EQ(refusal({{0.5}, {}}), "right: expected 1 (one for each row), got 0");
  EXPECT_EQ(refusal({{0.5, 1.5}, {1, 1}}), "confidence: row 1: expected a probability, got 1.5");
  EXPECT_EQ(refusal({{0.5}, {2}}), "right: row 0: expected 0 or 1, got 2");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              risk_coverage({{std::numeric_limits<double>::quiet_NaN()}, {1}});
            }),
            "confidence: row 0: expected a number, got nan");
}

}  // namespace
}  // namespace partita
