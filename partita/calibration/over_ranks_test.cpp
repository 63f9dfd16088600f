// SPDX-License-Identifier: Apache-2.0
// Fits and metrics of rows that lie on several ranks are those of the rows together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::Labeled;
using testing::make_labeled;

using Labels = std::span<const std::int64_t>;

/// call(rows, labels, group) on ranks that hold uneven parts of the rows, in the order of ranks.
template <class Call>
auto on_parts(const Labeled& data, int ranks, const Call& call) {
  using Result = decltype(call(data.view(), Labels(), Group::alone()));
  std::vector<Result> results(static_cast<std::size_t>(ranks));
  run_threads(ranks, [&](Group& group) {
    const auto begin = [&](int rank) {
      const double share = static_cast<double>(rank) / group.size();
      return static_cast<std::size_t>(std::pow(share, 1.5) * static_cast<double>(data.rows));
    };
    const std::size_t first = begin(group.rank());
    const std::size_t count = begin(group.rank() + 1) - first;
    results[static_cast<std::size_t>(group.rank())] =
        call(data.view().slice(first, count), Labels(data.labels).subspan(first, count), group);
  });
  return results;
}

TEST(TemperatureOverRanks, IsThatOfAllRows) {
  for (const std::size_t rows : {50U, 40'000U}) {  // more begin on a sample
    const Labeled data = make_labeled(rows, 5, 2.5, 1);
    const TemperatureFit whole = fit_temperature(data.view(), data.labels);
    ASSERT_EQ(whole.status, FitStatus::converged);
    for (const int ranks : {1, 2, 5}) {
      const auto fits = on_parts(data, ranks, [](Rows own, Labels labels, Group& group) {
        return fit_temperature(own, labels, group);
      });
      for (const TemperatureFit& fit : fits) {
        EXPECT_EQ(fit.status, FitStatus::converged);
        EXPECT_EQ(fit.temperature, fits[0].temperature);
        EXPECT_EQ(fit.iterations, fits[0].iterations);
        EXPECT_NEAR(fit.temperature / whole.temperature, 1, 1e-11);
        EXPECT_NEAR(fit.nll / whole.nll, 1, 1e-13);
      }
    }
  }
}

/// One rank's rows would have another status.
TEST(TemperatureOverRanks, HasTheStatusOfAllRows) {
  const auto status = [](const std::vector<double>& logits,
                         const std::vector<std::int64_t>& labels) {
    const Labeled data{labels.size(), 2, logits, labels};
    const auto fits = on_parts(data, 2, [](Rows own, Labels part, Group& group) {
      return fit_temperature(own, part, group);
    });
    EXPECT_EQ(fits[0].status, fits[1].status);
    return fits[1].status;
  };
  EXPECT_EQ(status({0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0}, {0, 1, 0, 0, 0, 0}),
            FitStatus::zero_temperature);
  EXPECT_EQ(status({1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}, {0, 0, 0, 0, 0, 1}), FitStatus::converged);
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}),
            FitStatus::undetermined);
  EXPECT_EQ(status({1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}, {1, 1, 1, 1, 0, 1}),
            FitStatus::infinite_temperature);
}

std::vector<double> numbers(const CalibrationEvaluation& e) {
  const CalibrationMetrics& m = e.metrics;
  std::vector<double> all = {m.accuracy,      m.confidence,   m.nll,   m.ece,         m.mce,
                             m.classwise_ece, m.adaptive_ece, m.brier, m.debiased_ece};
  for (const ReliabilityBin& bin : e.bins) {
    all.insert(all.end(), {bin.lower, bin.upper, static_cast<double>(bin.count)});
    if (bin.count > 0) all.insert(all.end(), {bin.confidence, bin.accuracy});
  }
  return all;
}

TEST(CalibrationMetricsOverRanks, AreThoseOfAllRows) {
  Labeled data = make_labeled(500, 4, 2, 3);
  for (double& z : data.logits) z = std::round(z);  // confidences that tie
  const Calibrator calibrator(4, TemperatureScaling{1.7});
  for (const bool equal_mass : {false, true}) {
    for (const std::size_t bins : {1U, 15U, 700U}) {
      for (const Calibrator* used : {static_cast<const Calibrator*>(nullptr), &calibrator}) {
        const CalibrationBins options{.bins = bins, .equal_mass = equal_mass};
        const std::vector<double> whole =
            numbers(evaluate_calibration(data.view(), data.labels, options, used));
        for (const int ranks : {1, 3}) {
          const auto all = on_parts(data, ranks, [&](Rows own, Labels labels, Group& group) {
            return evaluate_calibration(own, labels, group, options, used);
          });
          for (const CalibrationEvaluation& each : all) {
            EXPECT_EQ(numbers(each), numbers(all[0]));
            EXPECT_THAT(numbers(each), ::testing::Pointwise(::testing::DoubleNear(1e-12), whole));
          }
        }
      }
    }
  }
}

TEST(CalibrationOverRanks, RefusesOnEveryRank) {
  const auto said = [](const Labeled& data, const auto& call) {
    return on_parts(data, 2, [&](Rows own, Labels labels, Group& group) {
      return testing::message_of<InvalidArgument>([&] { call(own, labels, group); });
    });
  };
  const auto fit = [](Rows own, Labels labels, Group& group) {
    return fit_temperature(own, labels, group);
  };
  const auto measure = [](Rows own, Labels labels, Group& group) {
    return evaluate_calibration(own, labels, group);
  };
  Labeled bad = make_labeled(60, 3, 1, 2);
  bad.logits[3 * 59 + 1] = std::numeric_limits<double>::quiet_NaN();
  for (const auto& each : said(bad, fit)) EXPECT_THAT(each, HasSubstr("rank 1: row "));
  for (const auto& each : said(bad, measure)) EXPECT_THAT(each, HasSubstr("rank 1: row "));
  Labeled label = make_labeled(60, 3, 1, 2);
  label.labels[0] = 3;
  for (const auto& each : said(label, fit)) EXPECT_THAT(each, HasSubstr("rank 0: row 0"));
  for (const auto& each : said(label, measure)) EXPECT_THAT(each, HasSubstr("rank 0: row 0"));
  const auto narrow = [&](Rows own, Labels labels, Group& group) {
    const Rows part(own.row_data<double>(0), own.rows(), group.rank() == 0 ? 3 : 2, 3);
    std::vector<std::int64_t> none(labels.size());
    return fit_temperature(part, none, group);
  };
  for (const auto& each : said(make_labeled(60, 3, 1, 2), narrow)) {
    EXPECT_THAT(each, HasSubstr("3 classes in f64 on rank 0 and 2 classes in f64 on rank 1"));
  }
}

}  // namespace
}  // namespace partita
