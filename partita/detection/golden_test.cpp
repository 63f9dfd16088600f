// SPDX-License-Identifier: Apache-2.0
// Metrics and scores against those of scikit-learn, SciPy and NumPy
// (tests/golden/make_detection.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "partita/detection/detector.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/detection/roc.hpp"

namespace partita {
namespace {

using nlohmann::json;

const json& golden(const char* kind) {
  static const json data = json::parse(std::ifstream(PARTITA_GOLDEN_DETECTION));
  return data.at(kind);
}

struct Matrix {
  explicit Matrix(const json& array) : count(array.size()) {
    for (const json& row : array) {
      for (const json& x : row) values.push_back(x);
    }
  }
  Rows rows() const { return {values.data(), count, values.size() / count}; }

  std::size_t count;
  std::vector<double> values;
};

/// Expects equality to 1e-10 of the largest value.
void expect_near(const std::vector<double>& values, const json& expected, const std::string& what) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  double largest = 0;
  for (const json& x : expected) largest = std::max(largest, std::abs(x.get<double>()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i].get<double>(), 1e-10 * largest) << what << " " << i;
  }
}

TEST(DetectionGolden, MetricsAreThoseOfScikitLearn) {
  ASSERT_EQ(golden("roc").size(), 9U);
  for (const json& each : golden("roc")) {
    const std::string name = each["name"];
    const RocCurve curve =
        roc_curve(each["in"].get<std::vector<double>>(), each["out"].get<std::vector<double>>());
    ASSERT_EQ(curve.size(), each["roc"].size() + 1) << name;
    for (std::size_t i = 1; i < curve.size(); ++i) {
      const json& point = each["roc"][i - 1];
      EXPECT_EQ(curve[i].threshold, point[0].get<double>()) << name;
      EXPECT_EQ(
          static_cast<double>(curve[i].true_positives) / static_cast<double>(each["in"].size()),
          point[1].get<double>())
          << name;
      EXPECT_EQ(
          static_cast<double>(curve[i].false_positives) / static_cast<double>(each["out"].size()),
          point[2].get<double>())
          << name;
    }
    EXPECT_NEAR(auroc(curve), each["auroc"].get<double>(), 1e-14) << name;
    EXPECT_NEAR(average_precision(curve), each["aupr_in"].get<double>(), 1e-14) << name;
    EXPECT_NEAR(average_precision(mirrored(curve)), each["aupr_out"].get<double>(), 1e-14) << name;
    EXPECT_EQ(fpr_at_tpr(curve, 0.95), each["fpr_at_95_tpr_in"].get<double>()) << name;
    EXPECT_EQ(fpr_at_tpr(mirrored(curve), 0.95), each["fpr_at_95_tpr_out"].get<double>()) << name;
    EXPECT_NEAR(detection_accuracy(curve), each["detection_accuracy"].get<double>(), 1e-15) << name;
  }
}

TEST(DetectionGolden, LogitScoresAreThoseOfSciPy) {
  ASSERT_EQ(golden("logits").size(), 3U);
  for (const json& each : golden("logits")) {
    const Matrix logits(each["logits"]);
    const double temperature = each["temperature"];
    const auto check = [&](LogitScore score, const char* name) {
      expect_near(logit_scores(score, logits.rows(), temperature), each[name], name);
    };
    check(LogitScore::msp, "msp");
    check(LogitScore::max_logit, "max_logit");
    check(LogitScore::entropy, "entropy");
    check(LogitScore::energy, "energy");
  }
}

TEST(DetectionGolden, MahalanobisIsThatOfLedoitWolf) {
  ASSERT_EQ(golden("mahalanobis").size(), 2U);
  for (const json& each : golden("mahalanobis")) {
    const auto labels = each["labels"].get<std::vector<std::int64_t>>();
    const auto detector = Mahalanobis::fit(Matrix(each["training"]).rows(), labels);
    EXPECT_NEAR(detector.shrinkage(), each["shrinkage"].get<double>(), 1e-13);
    expect_near(detector.scores(Matrix(each["queries"]).rows()), each["scores"], each["name"]);
  }
}

TEST(DetectionGolden, NeighborsAreThoseOfScikitLearn) {
  ASSERT_EQ(golden("knn").size(), 3U);
  for (const json& each : golden("knn")) {
    expect_near(
        knn_scores(Matrix(each["queries"]).rows(), Matrix(each["training"]).rows(), each["k"]),
        each["scores"], "k = " + each["k"].dump());
  }
}

TEST(DetectionGolden, DetectorsAreThoseOfTheirPapers) {
  const json& data = golden("detectors");
  const Matrix known(data["known"]);
  const Matrix weight(data["weight"]);
  const auto labels = data["labels"].get<std::vector<std::int64_t>>();
  const auto bias = data["bias"].get<std::vector<double>>();
  const json& o = data["options"];
  const DetectorOptions options{.gamma = o["gamma"],
                                .largest = o["largest"].get<std::size_t>(),
                                .tail = o["tail"],
                                .percentile = o["percentile"].get<double>(),
                                .k = o["k"].get<std::size_t>(),
                                .dimension = o["dimension"].get<std::size_t>(),
                                .shrinkage = o["shrinkage"].get<double>()};
  ASSERT_EQ(data["scores"].size(), 15U);
  for (const auto& [name, scores] : data["scores"].items()) {
    const auto detector = Detector::fit(
        detection_score_named(name).value(),
        {.rows = known.rows(), .labels = labels, .layer = LastLayer{weight.rows(), bias}}, options);
    expect_near(detector.scores(Matrix(data["queries"]).rows()), scores, name);
  }
}

}  // namespace
}  // namespace partita
