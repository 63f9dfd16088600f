// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/compare_calibrators.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/calibration_metrics.hpp"

namespace partita {
namespace {

using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

const ComparedCalibrator& of(const std::vector<ComparedCalibrator>& all,
                             std::optional<CalibrationMethod> method) {
  return *std::find_if(all.begin(), all.end(),
                       [&](const auto& each) { return each.method == method; });
}

TEST(CompareCalibrators, OneParameterIsEnoughForATemperature) {
  // 400 rows of 8 classes, whose logits are twice too large: temperature is right, and the 72
  // parameters of a matrix too many.
  const Labeled data = make_labeled(400, 8, 2, 71);
  const auto found =
      compare_calibrators(data.view(), data.labels, {.seed = 1}, {.bootstrap = {.resamples = 200}});
  ASSERT_EQ(found.size(), 8U);
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end(),
                             [](const auto& a, const auto& b) { return a.nll < b.nll; }));
  EXPECT_EQ(found.front().nll_over_best.low, 0);
  EXPECT_EQ(found.front().nll_over_best.high, 0);
  const auto& temperature = of(found, CalibrationMethod::temperature);
  EXPECT_LE(temperature.nll_over_best.low, 0);  // nothing is better by more than chance
  EXPECT_GT(of(found, CalibrationMethod::matrix).nll_over_best.low, 0);
  EXPECT_GT(of(found, std::nullopt).nll_over_best.low, 0);
  EXPECT_LT(temperature.ece, of(found, std::nullopt).ece);
  const auto metrics = evaluate_calibration(data.view(), data.labels).metrics;
  EXPECT_NEAR(of(found, std::nullopt).nll, metrics.nll, 1e-12);
  EXPECT_NEAR(of(found, std::nullopt).brier, metrics.brier, 1e-12);
  const auto again = compare_calibrators(data.view(), data.labels, {.seed = 1},
                                         {.bootstrap = {.resamples = 200, .threads = 3}});
  for (std::size_t m = 0; m < found.size(); ++m) {
    EXPECT_EQ(again[m].method, found[m].method);
    EXPECT_EQ(again[m].nll, found[m].nll);
    EXPECT_EQ(again[m].nll_over_best.high, found[m].nll_over_best.high);
  }
}

TEST(CompareCalibrators, RowsAreJudgedByOthers) {
  // Two rows, two folds: each is calibrated by what the other says, which has no best temperature.
  const double z[] = {1, 0, 0, 1};
  const std::int64_t labels[] = {0, 1};
  const auto found =
      compare_calibrators(Rows(z, 2, 2), labels, {}, {.folds = 2, .bootstrap = {.resamples = 2}});
  ASSERT_EQ(found.size(), 10U);  // with platt and beta
  EXPECT_EQ(of(found, CalibrationMethod::temperature).status, FitStatus::zero_temperature);
  EXPECT_TRUE(std::isnan(of(found, CalibrationMethod::temperature).nll));
  EXPECT_TRUE(std::isnan(found.back().nll));
  // A histogram's other row says that class 1 has probability 0, where it is right.
  EXPECT_EQ(of(found, CalibrationMethod::isotonic).nll, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(found.front().nll, std::log1p(std::exp(-1)), 1e-14);
}

TEST(CompareCalibrators, ImpossibleClassesAreForSomeMethods) {
  Labeled data = make_labeled(100, 3, 1, 73);
  std::size_t r = 0;
  while (data.labels[r] == 2) ++r;
  data.logits[3 * r + 2] = -INFINITY;
  const auto found =
      compare_calibrators(data.view(), data.labels, {}, {.bootstrap = {.resamples = 2}});
  EXPECT_EQ(found.size(), 6U);  // neither vector nor matrix
  data.logits[21] = NAN;
  EXPECT_EQ(message_of<InvalidArgument>([&] { compare_calibrators(data.view(), data.labels, {}); }),
            "logits: row 7: NaN, +inf, or -inf in every column");
}

TEST(CompareCalibrators, Refusals) {
  const Labeled data = make_labeled(20, 3, 1, 72);
  const auto refusal = [&](std::size_t folds) {
    return message_of<InvalidArgument>(
        [&] { compare_calibrators(data.view(), data.labels, {}, {.folds = folds}); });
  };
  EXPECT_EQ(refusal(1), "folds: expected 2..20 (rows), got 1");
  EXPECT_EQ(refusal(21), "folds: expected 2..20 (rows), got 21");
}

}  // namespace
}  // namespace partita
