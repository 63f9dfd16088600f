// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibration_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

/// Rows of two classes that predict class 0 with these confidences (.5 or more).
struct Binary {
  std::vector<double> logits;
  std::vector<std::int64_t> labels;

  Binary(const std::vector<double>& confidence, const std::vector<int>& right) {
    for (std::size_t i = 0; i < confidence.size(); ++i) {
      logits.push_back(std::log(confidence[i]));
      logits.push_back(std::log(1 - confidence[i]));
      labels.push_back(1 - right[i]);
    }
  }
  Rows view() const { return {logits.data(), labels.size(), 2}; }
};

TEST(Bins, AreOpenBelowAndClosedAbove) {
  const Bins bins = equal_width_bins(10);
  EXPECT_EQ(bins.of(0), 0U);
  EXPECT_EQ(bins.of(1), 9U);
  EXPECT_EQ(bins.of(1 + 1e-15), 9U);
  for (std::size_t b = 1; b < 10; ++b) {
    const double edge = static_cast<double>(b) / 10;
    EXPECT_EQ(bins.of(edge), b - 1);
    EXPECT_EQ(bins.of(std::nextafter(edge, 1)), b);
  }
  for (const std::size_t count : {1U, 3U, 15U, 1000U}) {
    const Bins some = equal_width_bins(count);
    for (int i = 0; i <= 3000; ++i) {
      const double p = i / 3000.0;
      const std::size_t b = some.of(p);
      EXPECT_LE(p, some.upper[b]);
      EXPECT_TRUE(b == 0 || p > some.lower(b)) << p;
    }
  }
}

/// The bin of k / n by whole numbers: b / count < k / n <= (b + 1) / count.
std::size_t exact_bin(std::size_t k, std::size_t n, std::size_t count) {
  return k == 0 ? 0 : (k * count + n - 1) / n - 1;
}

// Forests, votes and rounded values give such probabilities, many of which are edges.
TEST(Bins, HoldFractionsInEitherPrecision) {
  for (const std::size_t count : {10U, 15U, 20U}) {
    const Bins bins = equal_width_bins(count);
    for (std::size_t n = 1; n <= 100; ++n) {
      for (std::size_t k = 0; k <= n; ++k) {
        const std::size_t expected = exact_bin(k, n, count);
        const float single = static_cast<float>(k) / static_cast<float>(n);
        EXPECT_EQ(bins.of(static_cast<double>(k) / static_cast<double>(n)), expected)
            << k << "/" << n;
        EXPECT_EQ(bins.of(static_cast<double>(single), DType::f32), expected) << k << "/" << n;
      }
    }
  }
  const Bins ten = equal_width_bins(10);
  EXPECT_EQ(ten.of(static_cast<double>(static_cast<float>(float16(0.2F))), DType::f16), 1U);
  EXPECT_EQ(ten.of(static_cast<double>(static_cast<float>(bfloat16(0.2F))), DType::bf16), 1U);
}

/// The votes of n trees for the second of two classes: 0, 1, ... n of them, with every label.
template <class T>
struct Votes {
  explicit Votes(std::size_t n) {
    for (std::size_t k = 0; k <= n; ++k) {
      for (const std::int64_t label : {0, 1, 1}) {
        p.push_back(static_cast<T>(n - k) / static_cast<T>(n));
        p.push_back(static_cast<T>(k) / static_cast<T>(n));
        labels.push_back(label);
      }
    }
  }
  Predictions predictions() const {
    return Predictions::probabilities({p.data(), labels.size(), 2});
  }

  std::vector<T> p;
  std::vector<std::int64_t> labels;
};

template <class T>
void expect_exact_bins(std::size_t n, std::size_t count) {
  const Votes<T> votes(n);
  std::vector<std::size_t> rows(count);
  std::vector<std::size_t> ones(count);
  std::vector<std::size_t> sure(count);  // rows by the probability of the likelier class
  for (std::size_t k = 0; k <= n; ++k) {
    rows[exact_bin(k, n, count)] += 3;
    ones[exact_bin(k, n, count)] += 2;
    sure[exact_bin(std::max(k, n - k), n, count)] += 3;
  }
  const CalibrationEvaluation e =
      evaluate_calibration(votes.predictions(), votes.labels, {.bins = count});
  for (std::size_t b = 0; b < count; ++b) ASSERT_EQ(e.bins[b].count, sure[b]) << n << " " << b;
  const Calibrator calibrator = fit_calibrator(CalibrationMethod::histogram, votes.predictions(),
                                               votes.labels, {.bins = count})
                                    .calibrator.value();
  std::vector<double> out(votes.p.size());
  calibrator.transform(votes.predictions(), {out.data(), votes.labels.size(), 2});
  for (std::size_t k = 0; k <= n; ++k) {
    const std::size_t b = exact_bin(k, n, count);
    ASSERT_EQ(out[6 * k + 1], static_cast<double>(ones[b]) / static_cast<double>(rows[b]))
        << k << "/" << n << " of " << count;
  }
}

TEST(Metrics, GivenProbabilitiesStayAsGiven) {
  for (const std::size_t count : {10U, 15U, 20U}) {
    for (std::size_t n = 1; n <= 100; ++n) {
      expect_exact_bins<float>(n, count);
      expect_exact_bins<double>(n, count);
    }
  }
  // The bin (.3, .4] holds all three: |1 - (.4 + .4 + .38)| / 3.
  const auto ece = [](const auto& p) {
    return evaluate_calibration(Predictions::probabilities({p.data(), 3, 3}),
                                std::vector<std::int64_t>{0, 1, 1}, {.bins = 10})
        .metrics.ece;
  };
  EXPECT_NEAR(ece(std::vector<double>{.4, .3, .3, .4, .3, .3, .38, .31, .31}), .06, 1e-15);
  EXPECT_NEAR(ece(std::vector<float>{.4F, .3F, .3F, .4F, .3F, .3F, .38F, .31F, .31F}), .06, 1e-7);
}

// As logits they are a softmax away: exp(-log 10) is no .1, but one of ten equal terms is.
TEST(Metrics, ProbabilitiesThatRoundingPutAboveOneAreInTheLastBin) {
  const std::vector<float> p = {1.0005F, 0, 0.9F, 0.1F, 0.8F, 0.2F, 0.7F, 0.3F};
  const std::vector<std::int64_t> labels = {0, 0, 1, 0};
  for (const bool equal_mass : {false, true}) {
    const auto e = evaluate_calibration(Predictions::probabilities({p.data(), 4, 2}), labels,
                                        {.bins = 2, .equal_mass = equal_mass});
    EXPECT_EQ(e.metrics.accuracy, 0.75);
    EXPECT_NEAR(e.metrics.adaptive_ece, (0.25 + 0.04975) / 2, 1e-7);
    EXPECT_EQ(e.bins[1].count, equal_mass ? 2U : 4U);
  }
}

TEST(Metrics, EqualLogitsAreOnTheEdge) {
  for (std::size_t classes = 1; classes <= 100; ++classes) {
    const std::vector<double> z(classes, 3.7);
    const CalibrationEvaluation e = evaluate_calibration(
        {z.data(), 1, classes}, std::vector<std::int64_t>{0}, {.bins = classes});
    EXPECT_EQ(e.bins[0].count, 1U) << classes;
  }
}

TEST(Metrics, WhatIsNoDistributionIsRefused) {
  const auto refusal = [](const std::vector<double>& p) {
    return message_of<InvalidArgument>([&] {
      evaluate_calibration(Predictions::probabilities({p.data(), 1, p.size()}),
                           std::vector<std::int64_t>{0});
    });
  };
  EXPECT_EQ(refusal({.5, .4}), "probabilities: row 0: probabilities add up to 0.9, expected 1");
  EXPECT_EQ(refusal({1.5, -.5}),
            "probabilities: row 0: expected a probability, got 1.5 at column 0");
  EXPECT_EQ(refusal({NAN, 1}), "probabilities: row 0: expected a probability, got nan at column 0");
}

TEST(Bins, OfEqualMassKeepTiesTogether) {
  EXPECT_THAT(equal_mass_bins(std::vector<double>{.1, .2, .3, .4, .5, .6}, 3).upper,
              ElementsAre(.2, .4, 1));
  EXPECT_THAT(equal_mass_bins(std::vector<double>{.1, .2, .2, .2, .5, .6}, 3).upper,
              ElementsAre(.2, .2, 1));
  EXPECT_THAT(equal_mass_bins(std::vector<double>{.1, .2}, 4).upper, ElementsAre(.1, .1, .2, 1));
}

TEST(Metrics, ByHand) {
  // Confidences .95 and 1, of which the first is right: one bin of ten holds both.
  const Binary two({.95, 1}, {1, 0});
  const CalibrationEvaluation e = evaluate_calibration(two.view(), two.labels, {.bins = 10});
  EXPECT_NEAR(e.metrics.ece, .475, 1e-12);
  EXPECT_NEAR(e.metrics.mce, .475, 1e-12);
  EXPECT_NEAR(e.metrics.accuracy, .5, 0);
  EXPECT_NEAR(e.metrics.confidence, .975, 1e-12);
  EXPECT_EQ(e.metrics.nll, INFINITY);  // a label of probability 0 is not made likelier
  EXPECT_NEAR(e.metrics.adaptive_ece, (.05 + 1) / 2, 1e-12);  // a row a bin
  EXPECT_NEAR(e.metrics.brier, (2 * .05 * .05 + 2) / 2, 1e-12);
  EXPECT_EQ(e.bins[9].count, 2U);
  EXPECT_TRUE(std::isnan(e.bins[0].accuracy));
  // n = 2, acc = .5, gap = .475: .475^2 - .5 * .5 / 1 < 0.
  EXPECT_EQ(e.metrics.debiased_ece, 0);

  const Binary four({.6, .7, .9, .9}, {1, 0, 1, 1});
  const CalibrationEvaluation f = evaluate_calibration(four.view(), four.labels, {.bins = 2});
  EXPECT_NEAR(f.metrics.ece, std::abs(.75 - .775), 1e-12);
  // Class 1: p = .4, .3, .1, .1 in (0, .5], of which one label: |1 - .9| / 4, as class 0.
  EXPECT_NEAR(f.metrics.classwise_ece, .1 / 4, 1e-12);
  const CalibrationEvaluation g =
      evaluate_calibration(four.view(), four.labels, {.bins = 2, .equal_mass = true});
  EXPECT_NEAR(g.metrics.ece, (std::abs(1 - 1.3) + std::abs(2 - 1.8)) / 4, 1e-12);
  EXPECT_NEAR(g.metrics.mce, .15, 1e-12);
  EXPECT_NEAR(g.metrics.debiased_ece,
              std::sqrt(std::max(0.0, (2 * (.15 * .15 - .25) + 2 * .01) / 4)), 1e-12);
  EXPECT_EQ(g.bins[0].count, 2U);

  const CalibrationEvaluation many = evaluate_calibration(four.view(), four.labels, {.bins = 1000});
  EXPECT_NEAR(many.metrics.ece, (.4 + .7 + .1 + .1) / 4, 1e-12);
}

TEST(Metrics, EqualScikitLearn) {
  const auto golden = nlohmann::json::parse(read_file(PARTITA_GOLDEN_CALIBRATION));
  for (const auto& set : golden.at("scores")) {
    const auto logits = set.at("logits").get<std::vector<double>>();
    const auto labels = set.at("labels").get<std::vector<std::int64_t>>();
    const CalibrationEvaluation e =
        evaluate_calibration({logits.data(), labels.size(), logits.size() / labels.size()}, labels);
    EXPECT_NEAR(e.metrics.nll, set.at("log_loss").get<double>(), 1e-13);
    EXPECT_NEAR(e.metrics.brier, set.at("brier").get<double>(), 1e-14);
  }
}

TEST(Metrics, DebiasedSquareIsUnbiased) {
  // Three rows in one bin of confidence .8, each right with probability .6: over all 8 outcomes the
  // square before it is cut at 0 averages (.8 - .6)^2; the plain square (.8 - acc)^2 does not.
  double mean = 0;
  double plain = 0;
  for (int outcome = 0; outcome < 8; ++outcome) {
    const std::vector<int> right{outcome & 1, outcome >> 1 & 1, outcome >> 2 & 1};
    const int count = right[0] + right[1] + right[2];
    const double chance = std::pow(.6, count) * std::pow(.4, 3 - count);
    const Binary rows({.8, .8, .8}, right);
    const double debiased =
        evaluate_calibration(rows.view(), rows.labels, {.bins = 1}).metrics.debiased_ece;
    const double accuracy = count / 3.0;
    const double square = (accuracy - .8) * (accuracy - .8) - accuracy * (1 - accuracy) / 2;
    EXPECT_NEAR(debiased, std::sqrt(std::max(0.0, square)), 1e-12);
    mean += chance * square;
    plain += chance * (accuracy - .8) * (accuracy - .8);
  }
  EXPECT_NEAR(mean, .04, 1e-12);
  EXPECT_GT(plain, .1);
}

TEST(Metrics, AreThoseOfProbabilitiesHoweverTheyAreGiven) {
  const Labeled data = make_labeled(2000, 30, 1.7, 21);
  const Stream stream{22};
  const BootstrapOptions fifty{.resamples = 50};
  const CalibrationEvaluation one = evaluate_calibration(data.view(), data.labels, stream, fifty);
  const CalibrationEvaluation two =
      evaluate_calibration(data.view(), data.labels, stream, {.resamples = 50, .threads = 3});
  std::vector<double> log_prob(data.logits.size());
  log_softmax(data.view(), {log_prob.data(), data.rows, data.classes});
  const CalibrationEvaluation three =
      evaluate_calibration({log_prob.data(), data.rows, data.classes}, data.labels, stream, fifty);
  const Calibrator identity(30, TemperatureScaling{1});
  const CalibrationEvaluation four =
      evaluate_calibration(data.view(), data.labels, stream, fifty, {}, &identity);
  for (const CalibrationEvaluation* other : {&two, &three, &four}) {
    EXPECT_NEAR(other->metrics.nll, one.metrics.nll, 1e-12);
    EXPECT_NEAR(other->metrics.ece, one.metrics.ece, 1e-12);
    EXPECT_NEAR(other->metrics.classwise_ece, one.metrics.classwise_ece, 1e-12);
    EXPECT_NEAR(other->metrics.brier, one.metrics.brier, 1e-12);
    EXPECT_NEAR(other->intervals->ece.low, one.intervals->ece.low, 1e-12);
    EXPECT_NEAR(other->bins[14].accuracy_interval->high, one.bins[14].accuracy_interval->high,
                1e-12);
  }
  EXPECT_EQ(two.metrics.nll, one.metrics.nll);  // to the last bit
  EXPECT_EQ(two.metrics.classwise_ece, one.metrics.classwise_ece);
  EXPECT_EQ(two.intervals->nll.high, one.intervals->nll.high);
}

TEST(Metrics, IntervalsAreAsWideAsTheyShouldBe) {
  const Labeled data = make_labeled(4000, 5, 1, 23);
  const CalibrationEvaluation e =
      evaluate_calibration(data.view(), data.labels, {24}, {.resamples = 1000});
  const double accuracy = e.metrics.accuracy;
  const double half = 1.96 * std::sqrt(accuracy * (1 - accuracy) / 4000);
  EXPECT_NEAR(e.intervals->accuracy.low, accuracy - half, 0.2 * half);
  EXPECT_NEAR(e.intervals->accuracy.high, accuracy + half, 0.2 * half);
  EXPECT_LT(e.intervals->nll.low, e.metrics.nll);
  EXPECT_GT(e.intervals->nll.high, e.metrics.nll);
  EXPECT_LT(e.metrics.ece, 0.03);  // labels come from these very probabilities
  EXPECT_LT(e.metrics.debiased_ece, 0.03);
  for (const ReliabilityBin& bin : e.bins) {
    if (bin.count < 50) continue;
    EXPECT_LE(bin.accuracy_interval->low, bin.accuracy);
    EXPECT_GE(bin.accuracy_interval->high, bin.accuracy);
  }
}

/// Mean and standard deviation of what bootstraps give.
struct Spread {
  double mean = 0;
  double deviation = 0;

  explicit Spread(const std::vector<double>& values) {
    for (const double x : values) mean += x / static_cast<double>(values.size());
    for (const double x : values) deviation += (x - mean) * (x - mean);
    deviation = std::sqrt(deviation / static_cast<double>(values.size()));
  }
};

TEST(Metrics, IntervalsOfManyRowsAreThoseOfResampledRows) {
  constexpr std::size_t kRows = 100'000;
  const Labeled data = make_labeled(kRows, 3, 1.3, 25);
  const auto e = evaluate_calibration(data.view(), data.labels, {26}, {.resamples = 4000});
  std::vector<double> log_prob(data.logits.size());
  log_softmax(data.view(), {log_prob.data(), kRows, 3});
  const Bins bins = equal_width_bins(15);
  std::vector<double> right(kRows), confidence(kRows), nll(kRows), brier(kRows);
  std::vector<std::size_t> bin(kRows);
  for (std::size_t r = 0; r < kRows; ++r) {
    const double* row = &log_prob[3 * r];
    const auto y = data.labels[r];
    confidence[r] = std::exp(*std::max_element(row, row + 3));
    right[r] = std::max_element(row, row + 3) == row + y ? 1 : 0;
    nll[r] = -row[y];
    for (int k = 0; k < 3; ++k) brier[r] += std::pow(std::exp(row[k]) - (k == y ? 1 : 0), 2);
    bin[r] = bins.of(confidence[r]);
  }
  // Of a mean over many rows, the bootstrap is normal. With 4000 resamples, half an interval has a
  // standard error of 1.6 %, and its middle one of .021 deviations.
  const auto expect_normal = [&](const Interval& interval, double mean, double deviation) {
    EXPECT_NEAR((interval.low + interval.high) / 2, mean, 0.12 * deviation);
    EXPECT_NEAR((interval.high - interval.low) / 2, 1.95996 * deviation, 0.16 * deviation);
  };
  const auto expect_mean = [&](const Interval& interval, const std::vector<double>& x) {
    const Spread of(x);
    expect_normal(interval, of.mean, of.deviation / std::sqrt(kRows));
  };
  expect_mean(e.intervals->accuracy, right);
  expect_mean(e.intervals->confidence, confidence);
  expect_mean(e.intervals->nll, nll);
  expect_mean(e.intervals->brier, brier);

  // ECE from resampled rows: its mean over 200 of them, within 5 sqrt(1 / 200), and its deviation,
  // within 5 sqrt(1 / 400).
  std::vector<double> ece;
  std::vector<std::uint32_t> counts(kRows);
  for (std::size_t i = 0; i < 200; ++i) {
    resample(Stream{27}.child(i), counts);
    std::vector<double> apart(15);
    for (std::size_t r = 0; r < kRows; ++r) apart[bin[r]] += counts[r] * (right[r] - confidence[r]);
    double total = 0;
    for (const double gap : apart) total += std::abs(gap) / kRows;
    ece.push_back(total);
  }
  const Spread exact(ece);
  const Interval interval = e.intervals->ece;
  EXPECT_NEAR((interval.low + interval.high) / 2, exact.mean, 0.48 * exact.deviation);
  EXPECT_NEAR((interval.high - interval.low) / 2 / 1.96, exact.deviation, 0.27 * exact.deviation);
}

TEST(Metrics, AnImpossibleLabelAmongManyRowsIsSeldomInAResample) {
  constexpr std::size_t kRows = 100'000;
  std::vector<double> p(2 * kRows, 0.5);
  const std::vector<std::int64_t> labels(kRows);
  p[0] = 0;
  p[1] = 1;
  const auto e = evaluate_calibration(Predictions::probabilities({p.data(), kRows, 2}), labels,
                                      {28}, {.resamples = 100});
  EXPECT_EQ(e.metrics.nll, INFINITY);
  EXPECT_NEAR(e.intervals->nll.low, std::log(2), 1e-4);  // 1/e of them do without it
  EXPECT_EQ(e.intervals->nll.high, INFINITY);
}

TEST(Metrics, Refusals) {
  std::vector<double> z{1, 2, NAN, 3};
  const std::vector<std::int64_t> y{0, 1};
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              evaluate_calibration({z.data(), 2, 2}, y);
            }),
            "logits: row 1: NaN, +inf, or -inf in every column");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              evaluate_calibration({z.data(), 1, 2}, y);
            }),
            "labels: expected 1 (one for each row), got 2");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              evaluate_calibration({z.data(), 1, 2}, std::span(y).first(1), {.bins = 0});
            }),
            "bins: expected 1 or more, got 0");
}

}  // namespace
}  // namespace partita
