// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/binned_temperature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/compare_calibrators.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

constexpr std::size_t kClasses = 6;

/// Rows of three kinds, in turns, each of a temperature of its own.
struct Kinds {
  explicit Kinds(std::size_t rows, const std::vector<double>& temperatures, std::uint64_t seed)
      : data(make_labeled(rows, kClasses, 1, seed)) {
    for (std::size_t r = 0; r < rows; ++r) {
      by.push_back(static_cast<double>(r % temperatures.size()));
      for (std::size_t k = 0; k < kClasses; ++k) {
        data.logits[r * kClasses + k] *= temperatures[r % temperatures.size()];
      }
    }
  }
  Predictions predictions() const {
    Predictions out(data.view());
    out.by = by;
    return out;
  }

  Labeled data;
  std::vector<double> by;
};

TEST(BinnedTemperature, IsThatOfTheRowsOfEachBin) {
  const std::vector<double> truth{0.5, 1.5, 4};
  const Kinds kinds(6000, truth, 91);
  const auto fit = fit_binned_temperature(kinds.predictions(), kinds.data.labels, 3);
  ASSERT_EQ(fit.status, FitStatus::converged);
  EXPECT_FALSE(fit.scaling.of_entropy);
  EXPECT_THAT(fit.scaling.upper, ElementsAre(0, 1));
  for (std::size_t kind = 0; kind < 3; ++kind) {
    std::vector<double> z;
    std::vector<std::int64_t> y;
    for (std::size_t r = kind; r < 6000; r += 3) {
      const auto row = kinds.data.logits.begin() + static_cast<std::ptrdiff_t>(r * kClasses);
      z.insert(z.end(), row, row + kClasses);
      y.push_back(kinds.data.labels[r]);
    }
    EXPECT_EQ(fit.scaling.temperatures[kind],
              fit_temperature({z.data(), y.size(), kClasses}, y).temperature);
    EXPECT_NEAR(fit.scaling.temperatures[kind] / truth[kind], 1, 0.15);
  }
}

TEST(BinnedTemperature, CalibratesRowsByTheirNumbers) {
  const Kinds kinds(300, {0.5, 4}, 92);
  const auto fit = fit_calibrator(CalibrationMethod::binned_temperature, kinds.predictions(),
                                  kinds.data.labels, {.bins = 2});
  const Calibrator calibrator =
      Calibrator::from_json(fit.calibrator.value().to_json(), "calibrator.json");
  const auto& scaling = std::get<BinnedTemperature>(calibrator.parameters());
  std::vector<double> out(kinds.data.logits.size());
  calibrator.transform(kinds.predictions(), {out.data(), 300, kClasses});
  for (std::size_t r = 0; r < 300; ++r) {
    std::vector<double> row(kClasses);
    for (std::size_t k = 0; k < kClasses; ++k) {
      row[k] = kinds.data.logits[r * kClasses + k] / scaling.temperatures[r % 2];
    }
    log_softmax({row.data(), 1, kClasses}, {row.data(), 1, kClasses});
    for (std::size_t k = 0; k < kClasses; ++k) EXPECT_NEAR(out[r * kClasses + k], row[k], 1e-13);
  }
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                calibrator.transform(kinds.data.view(), {out.data(), 300, kClasses});
              }),
              HasSubstr("by: row 0: required"));
}

TEST(BinnedTemperature, IsPreferredWhereKindsDiffer) {
  const Kinds kinds(3000, {0.5, 4}, 93);
  const std::vector<CalibrationMethod> methods{CalibrationMethod::temperature,
                                               CalibrationMethod::binned_temperature};
  const auto compare = [&](const Predictions& predictions) {
    return compare_calibrators(
        predictions, kinds.data.labels, {.seed = 1},
        {.methods = methods, .calibration = {.bins = 2}, .bootstrap = {.resamples = 200}});
  };
  const auto by_kind = compare(kinds.predictions());
  ASSERT_EQ(by_kind.size(), 3U);
  EXPECT_EQ(by_kind[0].method, CalibrationMethod::binned_temperature);
  EXPECT_GT(by_kind[1].nll_over_best.low, 0.02);
  // Their entropies differ, too, if not as sharply.
  const auto by_entropy = compare(kinds.data.view());
  EXPECT_EQ(by_entropy[0].method, CalibrationMethod::binned_temperature);
  EXPECT_GT(by_entropy[1].nll_over_best.low, 0);
  EXPECT_GT(by_entropy[0].nll, by_kind[0].nll);
  // Rows of one kind need no more than one.
  const Labeled alike = make_labeled(3000, kClasses, 2, 94);
  const auto one = compare_calibrators(alike.view(), alike.labels, {.seed = 1},
                                       {.methods = methods, .bootstrap = {.resamples = 200}});
  EXPECT_EQ(one[0].method, CalibrationMethod::temperature);
}

TEST(BinnedTemperature, ABinWithoutAMaximumTakesThatOfAll) {
  Kinds kinds(400, {2, 2}, 95);
  for (std::size_t r = 0; r < 400; r += 2) {  // every label of the first kind is the likeliest
    const double* z = &kinds.data.logits[r * kClasses];
    kinds.data.labels[r] = std::max_element(z, z + kClasses) - z;
  }
  const auto fit = fit_binned_temperature(kinds.predictions(), kinds.data.labels, 2);
  const double all = fit_temperature(kinds.data.view(), kinds.data.labels).temperature;
  EXPECT_EQ(fit.scaling.temperatures[0], all);
  EXPECT_GT(fit.scaling.temperatures[1], all);
}

TEST(BinnedTemperature, BinsDoNotDivideEqualNumbers) {
  Kinds kinds(300, {2}, 96);
  const auto edges = [&](std::size_t bins) {
    return fit_binned_temperature(kinds.predictions(), kinds.data.labels, bins).scaling.upper;
  };
  EXPECT_THAT(edges(5), ElementsAre());  // all are 0
  for (std::size_t r = 100; r < 300; ++r) kinds.by[r] = r < 290 ? 1 : 2;
  EXPECT_THAT(edges(3), ElementsAre(0, 1));
  EXPECT_THAT(edges(1), ElementsAre());
}

TEST(BinnedTemperature, Refusals) {
  Kinds kinds(10, {2}, 97);
  const auto refusal = [&](std::size_t bins) {
    return message_of<InvalidArgument>(
        [&] { fit_binned_temperature(kinds.predictions(), kinds.data.labels, bins); });
  };
  EXPECT_EQ(refusal(0), "bins: expected 1 or more, got 0");
  kinds.by[3] = NAN;
  EXPECT_EQ(refusal(2), "by: row 3: expected a number, got nan");
  kinds.by.pop_back();
  EXPECT_EQ(refusal(2), "by: expected 10 (one for each row), got 9");
}

}  // namespace
}  // namespace partita
