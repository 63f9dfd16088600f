// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibrator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/io/file.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

constexpr CalibrationMethod kMethods[] = {CalibrationMethod::temperature, CalibrationMethod::vector,
                                          CalibrationMethod::matrix, CalibrationMethod::isotonic,
                                          CalibrationMethod::histogram};

std::vector<double> transformed(const Calibrator& calibrator, const Labeled& data,
                                int threads = 1) {
  std::vector<double> out(data.logits.size());
  calibrator.transform(data.view(), {out.data(), data.rows, data.classes}, {.threads = threads});
  return out;
}

TEST(Isotonic, EqualsScikitLearn) {
  const auto golden = nlohmann::json::parse(read_file(PARTITA_GOLDEN_CALIBRATION));
  for (const auto& set : golden.at("isotonic")) {
    const auto x = set.at("x").get<std::vector<double>>();
    const auto y = set.at("y").get<std::vector<double>>();
    const IsotonicCurve curve = fit_isotonic(x, y);
    const auto at = set.at("at").get<std::vector<double>>();
    const auto value = set.at("value").get<std::vector<double>>();
    for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(curve(at[i]), value[i], 1e-14) << at[i];
  }
}

TEST(Calibrator, DirichletIsTheMinimumOfItsObjective) {
  const auto golden = nlohmann::json::parse(read_file(PARTITA_GOLDEN_CALIBRATION));
  ASSERT_EQ(golden.at("dirichlet").size(), 2U);
  for (const auto& set : golden.at("dirichlet")) {
    const auto logits = set.at("logits").get<std::vector<double>>();
    const auto labels = set.at("labels").get<std::vector<std::int64_t>>();
    const std::size_t classes = logits.size() / labels.size();
    const Rows rows(logits.data(), labels.size(), classes);
    const CalibratorFit fit = fit_calibrator(
        CalibrationMethod::dirichlet, rows, labels,
        {.odir = {.off_diagonal = set.at("off_diagonal"), .intercept = set.at("intercept")}});
    ASSERT_EQ(fit.report.status, FitStatus::converged);
    std::vector<double> out(logits.size());
    fit.calibrator->transform(rows, {out.data(), labels.size(), classes});
    const auto expected = set.at("log_prob").get<std::vector<double>>();
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-6) << i;
    // Logits of the same probabilities, wherever they lie.
    std::vector<double> moved = logits;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      const std::size_t row = i / classes;
      moved[i] += 7.0 * static_cast<double>(row);
    }
    std::vector<double> again(logits.size());
    fit.calibrator->transform(Rows(moved.data(), labels.size(), classes),
                              {again.data(), labels.size(), classes});
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], again[i], 1e-11);
  }
}

TEST(Calibrator, PlattAndBetaAreThoseOfTheirPapers) {
  const auto golden = nlohmann::json::parse(read_file(PARTITA_GOLDEN_CALIBRATION));
  ASSERT_EQ(golden.at("two_classes").size(), 2U);
  for (const auto& set : golden.at("two_classes")) {
    const auto labels = set.at("labels").get<std::vector<std::int64_t>>();
    std::vector<double> logits;
    for (const double margin : set.at("margins")) logits.insert(logits.end(), {3, 3 + margin});
    const Rows rows(logits.data(), labels.size(), 2);
    const auto check = [&](CalibrationMethod method, const char* name, double tolerance) {
      const CalibratorFit fit = fit_calibrator(method, rows, labels);
      ASSERT_EQ(fit.report.status, FitStatus::converged);
      std::vector<double> out(logits.size());
      fit.calibrator->transform(rows, {out.data(), labels.size(), 2});
      for (std::size_t r = 0; r < labels.size(); ++r) {
        EXPECT_NEAR(std::exp(out[2 * r + 1]), set.at(name)[r].get<double>(), tolerance) << name;
      }
    };
    check(CalibrationMethod::platt, "platt", 1e-6);  // what their search leaves
    check(CalibrationMethod::beta, "beta", 1e-6);
    const auto fit = fit_calibrator(CalibrationMethod::beta, rows, labels);
    const auto& found = std::get<BetaCalibration>(fit.calibrator->parameters());
    EXPECT_NEAR(found.a, set.at("beta_parameters")[0].get<double>(), 1e-5);
    EXPECT_NEAR(found.b, set.at("beta_parameters")[1].get<double>(), 1e-5);  // of one, the bound
  }
}

TEST(Calibrator, TwoClassMethodsRefuseMore) {
  const Labeled data = make_labeled(50, 3, 1, 9);
  for (const auto& [method, name] :
       {std::pair{CalibrationMethod::platt, "platt"}, std::pair{CalibrationMethod::beta, "beta"}}) {
    EXPECT_EQ(message_of<InvalidArgument>(
                  [&, &m = method] { fit_calibrator(m, data.view(), data.labels); }),
              std::string("logits: 3 classes, but ") + name + " calibrates 2");
  }
  // Right about every row: no likelihood is largest, but Platt's targets leave room for doubt.
  const std::vector<double> z = {0, 3, 0, 2, 1, 0, 4, 0};
  const std::vector<std::int64_t> y = {1, 1, 0, 0};
  const Rows rows(z.data(), 4, 2);
  EXPECT_EQ(fit_calibrator(CalibrationMethod::beta, rows, y).report.status,
            FitStatus::not_attained);
  EXPECT_EQ(fit_calibrator(CalibrationMethod::platt, rows, y).report.status, FitStatus::converged);
  const std::vector<double> same(8, 1);
  EXPECT_EQ(fit_calibrator(CalibrationMethod::platt, Rows(same.data(), 4, 2), y).report.status,
            FitStatus::undetermined);
}

TEST(Isotonic, Refusals) {
  const std::vector<double> x{1, NAN};
  EXPECT_EQ(message_of<InvalidArgument>([&] { fit_isotonic(x, x); }),
            "x: expected a number in (-inf, inf), got nan");
  EXPECT_EQ(message_of<InvalidArgument>([] { fit_isotonic({}, {}); }),
            "x: expected 1 or more, got 0");
}

TEST(Calibrator, EveryMethodGivesProbabilitiesAndSurvivesItsFile) {
  for (const std::size_t classes : {2U, 6U}) {
    const Labeled data = make_labeled(3000, classes, 3, 31);
    const double before = evaluate_calibration(data.view(), data.labels).metrics.ece;
    for (const CalibrationMethod method : calibration_methods()) {
      const bool two = method == CalibrationMethod::platt || method == CalibrationMethod::beta;
      if (classes > 2 && two) continue;
      const CalibratorFit fit = fit_calibrator(method, data.view(), data.labels);
      ASSERT_EQ(fit.report.status, FitStatus::converged) << name_of(method);
      EXPECT_GE(fit.report.iterations, 1);
      EXPECT_LT(fit.report.gradient_residual, 1e-6) << name_of(method);
      const Calibrator& calibrator = fit.calibrator.value();
      EXPECT_EQ(calibrator.method(), method);
      const auto out = transformed(calibrator, data);
      for (std::size_t r = 0; r < data.rows; ++r) {
        double total = 0;
        for (std::size_t k = 0; k < classes; ++k) total += std::exp(out[r * classes + k]);
        ASSERT_NEAR(total, 1, 1e-12);
      }
      const CalibrationEvaluation after =
          evaluate_calibration(data.view(), data.labels, {}, &calibrator);
      EXPECT_LT(after.metrics.ece, before / 2) << name_of(method);
      const Calibrator again = Calibrator::from_json(calibrator.to_json(), "c.json");
      EXPECT_EQ(transformed(again, data), out) << name_of(method);
      EXPECT_EQ(again.to_json(), calibrator.to_json());
      const CalibratorFit threads = fit_calibrator(method, data.view(), data.labels, {}, 3);
      EXPECT_EQ(threads.calibrator->to_json(), calibrator.to_json());
      EXPECT_EQ(transformed(calibrator, data, 3), out);
    }
  }
}

/// Logits whose labels come from softmax((z - b) / w) of each class's own w and b.
Labeled distorted(std::size_t rows, const std::vector<double>& weights,
                  const std::vector<double>& bias, std::uint64_t seed) {
  Labeled data = make_labeled(rows, weights.size(), 1, seed);
  for (std::size_t i = 0; i < data.logits.size(); ++i) {
    const std::size_t k = i % weights.size();
    data.logits[i] = (data.logits[i] - bias[k]) / weights[k];
  }
  return data;
}

TEST(Calibrator, VectorScalingFindsWhatWasDone) {
  const std::vector<double> weights{0.5, 2, 1};
  const std::vector<double> bias{1, -1.5, 0.5};
  const Labeled data = distorted(40000, weights, bias, 32);
  const CalibratorFit fit = fit_calibrator(CalibrationMethod::vector, data.view(), data.labels);
  ASSERT_EQ(fit.report.status, FitStatus::converged);
  const auto& found = std::get<VectorScaling>(fit.calibrator->parameters());
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(found.weights[k] / weights[k], 1, 0.05);  // the standard error is some .01
    EXPECT_NEAR(found.bias[k], bias[k], 0.15);
  }
}

// A network whose logits are 2e-300 apart, or 1e250, is calibrated like any other: at the same
// multiple of their temperature.
TEST(Calibrator, ScalesOfLogitsDoNotMatter) {
  const Labeled usual = make_labeled(500, 3, 1.7, 51);
  for (const CalibrationMethod method :
       {CalibrationMethod::temperature, CalibrationMethod::vector, CalibrationMethod::matrix}) {
    const auto nll = [&](const Labeled& data) {
      const CalibratorFit fit = fit_calibrator(method, data.view(), data.labels);
      EXPECT_EQ(fit.report.status, FitStatus::converged) << name_of(method);
      if (!fit.calibrator) return std::nan("");
      return evaluate_calibration(data.view(), data.labels, {}, &*fit.calibrator).metrics.nll;
    };
    const double expected = nll(usual);
    for (const double scale : {2e-300, 1e-30, 1e-6, 1e6, 1e30, 1e250}) {
      Labeled scaled = usual;
      for (double& z : scaled.logits) z *= scale;
      EXPECT_NEAR(nll(scaled), expected, 1e-7) << name_of(method) << " " << scale;
    }
  }
}

TEST(Calibrator, LargerFamiliesFitAtLeastAsWell) {
  const Labeled data = distorted(2000, {0.7, 1.5, 1, 1.2}, {1, -1, 0, 0.2}, 33);
  double last = evaluate_calibration(data.view(), data.labels).metrics.nll;
  for (const CalibrationMethod method :
       {CalibrationMethod::temperature, CalibrationMethod::vector, CalibrationMethod::matrix}) {
    const Calibrator calibrator =
        fit_calibrator(method, data.view(), data.labels).calibrator.value();
    const double nll = evaluate_calibration(data.view(), data.labels, {}, &calibrator).metrics.nll;
    EXPECT_LT(nll, last) << name_of(method);
    last = nll;
  }
}

TEST(Calibrator, HistogramBinsByHand) {
  std::vector<double> z;
  const std::vector<double> p{0.1, 0.2, 0.9, 0.95};
  for (const double one : p) {
    z.push_back(std::log(1 - one));
    z.push_back(std::log(one));
  }
  const std::vector<std::int64_t> y{0, 1, 1, 1};
  const Calibrator calibrator =
      fit_calibrator(CalibrationMethod::histogram, {z.data(), 4, 2}, y, {.bins = 3})
          .calibrator.value();
  const auto& curve = std::get<HistogramBinning>(calibrator.parameters()).curves.at(0);
  EXPECT_DOUBLE_EQ(curve(0.15), 0.5);
  EXPECT_DOUBLE_EQ(curve(0.5), 0.5);  // empty: its middle
  EXPECT_DOUBLE_EQ(curve(0.99), 1);
  const Calibrator mass = fit_calibrator(CalibrationMethod::histogram, {z.data(), 4, 2}, y,
                                         {.bins = 2, .equal_mass = true})
                              .calibrator.value();
  EXPECT_DOUBLE_EQ(std::get<HistogramBinning>(mass.parameters()).curves.at(0)(0.3), 1);
}

// Logits and probabilities of one network are calibrated alike; a 0 counts as the least
// probability.
TEST(Calibrator, TakesProbabilities) {
  const Labeled data = make_labeled(3000, 3, 2, 31);
  std::vector<double> p(data.logits.size());
  softmax(data.view(), {p.data(), data.rows, data.classes});
  const Rows rows(p.data(), data.rows, data.classes);
  for (const CalibrationMethod method :
       {CalibrationMethod::temperature, CalibrationMethod::isotonic,
        CalibrationMethod::histogram}) {
    const Calibrator a = fit_calibrator(method, data.view(), data.labels).calibrator.value();
    const Calibrator b =
        fit_calibrator(method, Predictions::probabilities(rows), data.labels).calibrator.value();
    std::vector<double> from_logits(p.size());
    std::vector<double> from_p(p.size());
    a.transform(data.view(), {from_logits.data(), data.rows, data.classes});
    b.transform(Predictions::probabilities(rows), {from_p.data(), data.rows, data.classes});
    for (std::size_t i = 0; i < p.size(); ++i) {
      ASSERT_NEAR(from_p[i], std::exp(from_logits[i]), 1e-9) << name_of(method);
    }
  }
  p = {.5, .5, 0, 0, .5, .5, .5, 0, .5, .25, .5, .25};
  const std::vector<std::int64_t> labels = {0, 2, 1, 1};
  const Predictions zeros = Predictions::probabilities({p.data(), 4, 3});
  for (const CalibrationMethod method : {CalibrationMethod::vector, CalibrationMethod::matrix}) {
    const CalibratorFit fit = fit_calibrator(method, zeros, labels);
    if (!fit.calibrator) continue;  // four rows may be separable
    std::vector<double> out(p.size());
    fit.calibrator->transform(zeros, {out.data(), 4, 3});
    for (const double value : out) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Calibrator, WhereThereIsNoMaximumItSaysSo) {
  const std::vector<double> z{2, 1, 0, 0, 3, 1, 1, 1, 0};
  const auto status = [&](CalibrationMethod method, const std::vector<std::int64_t>& y) {
    const CalibratorFit fit = fit_calibrator(method, {z.data(), 3, 3}, y);
    EXPECT_FALSE(fit.calibrator.has_value());
    return fit.report.status;
  };
  // No label 2, then labels that a matrix can separate.
  EXPECT_EQ(status(CalibrationMethod::vector, {0, 1, 0}), FitStatus::not_attained);
  EXPECT_EQ(status(CalibrationMethod::matrix, {0, 1, 0}), FitStatus::not_attained);
  EXPECT_EQ(status(CalibrationMethod::matrix, {0, 1, 2}), FitStatus::not_attained);
}

TEST(Calibrator, Refusals) {
  const Labeled data = make_labeled(20, 3, 1, 34);
  const Calibrator calibrator(4, TemperatureScaling{2});
  std::vector<double> out(data.logits.size());
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              calibrator.transform(data.view(), {out.data(), 20, 3});
            }),
            "logits: expected 4 (classes of the calibrator), got 3");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              fit_calibrator(CalibrationMethod::isotonic, {data.logits.data(), 20, 1},
                             std::vector<std::int64_t>(20));
            }),
            "logits: 1 class: every probability is 1, there is nothing to calibrate");
  std::vector<double> impossible = data.logits;
  impossible[4] = -INFINITY;
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              fit_calibrator(CalibrationMethod::vector, {impossible.data(), 20, 3}, data.labels);
            }),
            "logits: row 1: -inf at column 1");
}

TEST(Calibrator, FilesThatAreNone) {
  const auto refusal = [](const std::string& text) {
    return message_of<DataError>([&] { Calibrator::from_json(text, "c.json"); });
  };
  const std::string good = Calibrator(3, VectorScaling{{1, 1, 1}, {0, 0, 0}}).to_json();
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return refusal(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(refusal(""), "c.json: not a calibrator: expected an object in JSON");
  EXPECT_EQ(refusal(good.substr(0, good.size() / 2)),
            "c.json: not a calibrator: expected an object in JSON");
  EXPECT_EQ(refusal("{}"), "c.json: not a calibrator: format: expected a string");
  EXPECT_THAT(replaced("\"classes\": 3", "\"classes\": 4"),
              HasSubstr("weights: expected 4 numbers"));
  EXPECT_THAT(replaced("\"classes\": 3", "\"classes\": 1e300"), HasSubstr("classes: expected"));
  EXPECT_THAT(replaced("\"vector\"", "\"magic\""), HasSubstr("method: expected temperature"));
  EXPECT_THAT(replaced("\"version\": 1", "\"version\": 2"), HasSubstr("version 2, expected 1"));
}

}  // namespace
}  // namespace partita
