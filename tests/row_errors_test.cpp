// SPDX-License-Identifier: Apache-2.0
// The two kinds of functions over rows that base/parallel.hpp tells apart, each walked with one bad
// row among good ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/parallel.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/conformal.hpp"
#include "partita/calibration/linear_scaling.hpp"
#include "partita/calibration/nll_curve.hpp"
#include "partita/calibration/temperature.hpp"
#include "partita/detection/detector.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/fill.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr std::size_t kRows = 12;
constexpr std::size_t kClasses = 4;
constexpr std::size_t kBad = 5;

struct Data {
  std::vector<double> values = std::vector<double>(kRows * kClasses);
  std::vector<std::int64_t> labels;

  Data() {
    fill_normal({.seed = 61}, 0, values);
    for (std::size_t r = 0; r < kRows; ++r) {
      labels.push_back(static_cast<std::int64_t>(r % kClasses));
    }
  }
  Rows rows() const { return {values.data(), kRows, kClasses}; }
  void spoil() { values[kBad * kClasses + 1] = std::nan(""); }
};

/// The results of a function, [kRows, size], all as doubles.
struct Answers {
  std::size_t size;
  std::vector<double> values;
};

template <class T>
Answers answers(const std::vector<T>& values) {
  return {values.size() / kRows, {values.begin(), values.end()}};
}

using RowByRow = std::function<Answers(Rows, const RowOptions&)>;

struct Named {
  std::string name;
  RowByRow answer;
};

/// Everything that answers row by row.
std::vector<Named> functions() {
  static const Data good;  // what some of them are fitted on
  const Stream stream{.seed = 62};
  std::vector<Named> all;
  all.push_back({"log_sum_exp", [](Rows z, const RowOptions& options) {
                   return answers(log_sum_exp(z, options));
                 }});
  all.push_back({"softmax", [](Rows z, const RowOptions& options) {
                   std::vector<double> p(kRows * kClasses);
                   softmax(z, {p.data(), kRows, kClasses}, options);
                   return answers(p);
                 }});
  all.push_back({"log_softmax", [](Rows z, const RowOptions& options) {
                   std::vector<double> p(kRows * kClasses);
                   log_softmax(z, {p.data(), kRows, kClasses}, options);
                   return answers(p);
                 }});
  all.push_back(
      {"argmax", [](Rows z, const RowOptions& options) { return answers(argmax(z, options)); }});
  all.push_back(
      {"entropy", [](Rows z, const RowOptions& options) { return answers(entropy(z, options)); }});
  all.push_back({"cross_entropy", [](Rows z, const RowOptions& options) {
                   return answers(cross_entropy(z, good.rows(), options));
                 }});
  all.push_back({"kl_divergence", [](Rows z, const RowOptions& options) {
                   return answers(kl_divergence(good.rows(), z, options));
                 }});
  all.push_back({"gumbel_top_k", [=](Rows z, const RowOptions& options) {
                   const TopKSample sample = gumbel_top_k(
                       z, 2, stream, {.threads = options.threads, .errors = options.errors});
                   return answers(sample.indices);
                 }});
  all.push_back({"gumbel_max", [=](Rows z, const RowOptions& options) {
                   return answers(gumbel_max(z, stream, options));
                 }});
  all.push_back({"categorical", [=](Rows z, const RowOptions& options) {
                   return answers(categorical(z, 3, stream, options));
                 }});
  all.push_back({"Calibrator::transform", [](Rows z, const RowOptions& options) {
                   const Calibrator calibrator(kClasses, TemperatureScaling{2});
                   std::vector<double> p(kRows * kClasses);
                   calibrator.transform(z, {p.data(), kRows, kClasses}, options);
                   return answers(p);
                 }});
  all.push_back(
      {"predict_sets", [=](Rows z, const RowOptions& options) {
         const PredictionSets sets = predict_sets({{}, kClasses, 0.8}, z, stream, options);
         std::vector<double> sizes;
         for (std::size_t r = 0; r < kRows; ++r) {
           sizes.push_back(static_cast<double>(sets.of(r).size()));
         }
         return answers(sizes);
       }});
  all.push_back({"logit_scores", [](Rows z, const RowOptions& options) {
                   return answers(logit_scores(LogitScore::energy, z, 1, options));
                 }});
  all.push_back({"knn_scores", [](Rows z, const RowOptions& options) {
                   return answers(knn_scores(z, good.rows(), 2, options));
                 }});
  all.push_back({"Mahalanobis::scores", [](Rows z, const RowOptions& options) {
                   return answers(Mahalanobis::fit(good.rows(), good.labels).scores(z, options));
                 }});
  for (const DetectionScore score :
       {DetectionScore::gen, DetectionScore::kl_matching, DetectionScore::vim,
        DetectionScore::relative_mahalanobis, DetectionScore::nnguide}) {
    all.push_back({"Detector::scores, " + std::string(name_of(score)),
                   [=](Rows z, const RowOptions& options) {
                     static const Data weights;
                     const KnownInputs known{.rows = good.rows(),
                                             .labels = good.labels,
                                             .layer = LastLayer{weights.rows().slice(0, 3)}};
                     return answers(Detector::fit(score, known, {.k = 3}).scores(z, options));
                   }});
  }
  return all;
}

TEST(RowErrors, WhatAnswersRowByRowListsTheBadOnes) {
  const Data good;
  Data bad;
  bad.spoil();
  for (const auto& [name, answer] : functions()) {
    EXPECT_THAT(message_of<InvalidArgument>([&, &f = answer] { f(bad.rows(), {}); }),
                HasSubstr("row 5: "))
        << name;
    for (const int threads : {1, 3}) {
      std::vector<RowError> errors;
      const Answers found = answer(bad.rows(), {.threads = threads, .errors = &errors});
      ASSERT_EQ(errors.size(), 1U) << name;
      EXPECT_EQ(errors[0].row, kBad) << name;
      EXPECT_THAT(errors[0].reason, HasSubstr("NaN")) << name;
      const Answers alone = answer(good.rows(), {});
      ASSERT_EQ(found.values.size(), kRows * alone.size) << name;
      for (std::size_t i = 0; i < found.values.size(); ++i) {
        if (i / alone.size == kBad) continue;
        EXPECT_EQ(found.values[i], alone.values[i]) << name << ", " << i;
      }
    }
  }
}

TEST(RowErrors, WhatMakesOneThingOfAllRowsRefuses) {
  Data data;
  data.spoil();
  const Rows z = data.rows();
  const auto& y = data.labels;
  const Data good;
  struct Fit {
    std::string name;
    std::function<void(int threads)> run;
  };
  std::vector<Fit> fits = {
      {"fit_temperature", [&](int threads) { fit_temperature(z, y, threads); }},
      {"temperature_nll", [&](int threads) { temperature_nll(z, y, 2, threads); }},
      {"nll_curve", [&](int threads) { nll_curve(z, y, 2, threads); }},
      {"fit_linear_scaling",
       [&](int threads) { fit_linear_scaling(z, y, /*matrix=*/false, threads); }},
      {"fit_conformal", [&](int threads) { fit_conformal(z, y, Stream{}, {}, threads); }},
      {"evaluate_calibration",
       [&](int threads) { evaluate_calibration(z, y, {}, nullptr, threads); }},
      {"evaluate_calibration with intervals",
       [&](int threads) { evaluate_calibration(z, y, Stream{}, {.threads = threads}); }},
      {"Mahalanobis::fit", [&](int threads) { Mahalanobis::fit(z, y, {.threads = threads}); }},
      {"knn_scores, of its training rows",
       [&](int threads) { knn_scores(good.rows(), z, 2, {.threads = threads}); }}};
  for (const auto method :
       {CalibrationMethod::temperature, CalibrationMethod::vector, CalibrationMethod::matrix,
        CalibrationMethod::isotonic, CalibrationMethod::histogram}) {
    fits.push_back({"fit_calibrator, " + std::string(name_of(method)),
                    [&, method](int threads) { fit_calibrator(method, z, y, {}, threads); }});
  }
  for (const auto& [name, run] : fits) {
    for (const int threads : {1, 3}) {
      EXPECT_THAT(message_of<InvalidArgument>([&, &f = run] { f(threads); }), HasSubstr("row 5: "))
          << name;
    }
  }
}

}  // namespace
}  // namespace partita
