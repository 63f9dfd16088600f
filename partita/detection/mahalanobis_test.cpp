// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/mahalanobis.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using testing::message_of;
using Labels = std::vector<std::int64_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Sample {
  std::vector<double> features;
  Labels labels;
  std::size_t columns;

  Rows rows() const { return {features.data(), labels.size(), columns}; }
};

/// Correlated features around `classes` means.
Sample sample(std::size_t rows, std::size_t columns, std::int64_t classes, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Sample out{{}, {}, columns};
  for (std::size_t r = 0; r < rows; ++r) {
    out.labels.push_back(static_cast<std::int64_t>(r) % classes);
    double shared = normal(random);
    for (std::size_t c = 0; c < columns; ++c) {
      const double mean = static_cast<double>(3 * out.labels.back()) * (c % 2 == 0 ? 1 : -1);
      out.features.push_back(mean + shared + 0.5 * normal(random));
    }
  }
  return out;
}

TEST(Mahalanobis, OfTwoColumnsByHand) {
  // Class 0 at (±1, 0), class 1 at (10, ±2): left over are variances of 1/2 and 2 and no
  // covariance.
  const std::vector<double> x = {1, 0, -1, 0, 10, 2, 10, -2};
  const auto detector = Mahalanobis::fit({x.data(), 4, 2}, Labels{0, 0, 1, 1}, {.shrinkage = 0.0});
  EXPECT_EQ(detector.classes(), 2U);
  EXPECT_EQ(detector.shrinkage(), 0);
  const std::vector<double> queries = {0, 0, 3, 4, 10, 1};
  const auto scores = detector.scores({queries.data(), 3, 2});
  EXPECT_NEAR(scores[0], 0, 1e-15);
  EXPECT_NEAR(scores[1], -(9 / 0.5 + 16 / 2.0), 1e-12);
  EXPECT_NEAR(scores[2], -0.5, 1e-13);
  // Shrunk all the way the covariance is the mean variance, 1.25.
  const auto round = Mahalanobis::fit({x.data(), 4, 2}, Labels{0, 0, 1, 1}, {.shrinkage = 1.0});
  EXPECT_NEAR(round.scores({queries.data(), 3, 2})[1], -25 / 1.25, 1e-13);
}

TEST(Mahalanobis, DoesNotDependOnUnitsUnlessShrunk) {
  Sample s = sample(60, 3, 2, 1);
  const MahalanobisOptions plain{.shrinkage = 0.0};
  const auto before = Mahalanobis::fit(s.rows(), s.labels, plain).scores(s.rows());
  for (std::size_t i = 0; i < s.features.size(); ++i) {
    s.features[i] = s.features[i] * std::pow(1e6, static_cast<double>(i % 3)) + 1e3;
  }
  const auto after = Mahalanobis::fit(s.rows(), s.labels, plain).scores(s.rows());
  for (std::size_t r = 0; r < before.size(); ++r) EXPECT_NEAR(after[r] / before[r], 1, 1e-9);
}

TEST(Mahalanobis, FarFromZeroLosesLittle) {
  Sample s = sample(60, 3, 2, 1);
  const auto before = Mahalanobis::fit(s.rows(), s.labels).scores(s.rows());
  for (double& x : s.features) x += 1e6;
  const auto after = Mahalanobis::fit(s.rows(), s.labels).scores(s.rows());
  for (std::size_t r = 0; r < before.size(); ++r) EXPECT_NEAR(after[r] / before[r], 1, 1e-7);
}

TEST(Mahalanobis, MoreRowsNeedLessShrinkage) {
  double last = 1;
  for (const std::size_t rows : {20U, 200U, 2000U, 20000U}) {
    const Sample s = sample(rows, 30, 2, 3);
    const double shrinkage = Mahalanobis::fit(s.rows(), s.labels).shrinkage();
    EXPECT_LT(shrinkage, last);
    EXPECT_GT(shrinkage, 0);
    last = shrinkage;
  }
  EXPECT_LT(last, 0.01);
}

TEST(Mahalanobis, ThreadsFormatAndStridesChangeNothing) {
  // Columns and rows that are no whole number of blocks.
  Sample s = sample(1100, 150, 7, 4);
  for (double& x : s.features) x = static_cast<double>(static_cast<float>(x));
  const auto expected = Mahalanobis::fit(s.rows(), s.labels).scores(s.rows());
  for (const int threads : {2, 5}) {
    const auto detector = Mahalanobis::fit(s.rows(), s.labels, {.threads = threads});
    EXPECT_EQ(detector.scores(s.rows(), {.threads = threads}), expected);
  }
  std::vector<float> transposed(s.features.size());
  for (std::size_t i = 0; i < s.features.size(); ++i) {
    transposed[i % 150 * 1100 + i / 150] = static_cast<float>(s.features[i]);
  }
  const Rows rows{transposed.data(), 1100, 150, 1, 1100};
  EXPECT_EQ(Mahalanobis::fit(rows, s.labels).scores(rows), expected);
}

TEST(Mahalanobis, RefusesWhatItCannotFit) {
  Sample s = sample(10, 3, 2, 5);
  const auto refusal = [&](const MahalanobisOptions& options = {}) {
    return message_of<InvalidArgument>([&] { Mahalanobis::fit(s.rows(), s.labels, options); });
  };
  EXPECT_EQ(refusal({.shrinkage = 1.5}), "shrinkage: expected a number in [0, 1], got 1.5");
  EXPECT_EQ(refusal({.shrinkage = kNan}), "shrinkage: expected a number in [0, 1], got nan");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              Mahalanobis::fit(s.rows(), Labels{0, 1});
            }),
            "labels: expected 10 (one for each row), got 2");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              Mahalanobis::fit({s.features.data(), 0, 3}, {});
            }),
            "features: empty: shape [0, 3]");
  for (std::size_t r = 0; r < 10; ++r) s.features[3 * r + 2] = s.features[3 * r] * 2;
  const std::string singular =
      "shrinkage: the covariance is singular (columns that depend linearly on others, or too "
      "few rows): use more shrinkage";
  EXPECT_EQ(refusal({.shrinkage = 0.0}), singular);
  for (std::size_t r = 0; r < 10; ++r) s.features[3 * r + 2] = 7;
  EXPECT_EQ(refusal({.shrinkage = 0.0}), singular);
  EXPECT_NO_THROW(Mahalanobis::fit(s.rows(), s.labels));
  s.features[4] = kNan;
  EXPECT_EQ(refusal(), "features: row 1: NaN at column 1");
  std::fill(s.features.begin(), s.features.end(), 2);
  EXPECT_EQ(refusal(), "features: no spread: every row equals the mean of its class");
}

TEST(Mahalanobis, ABadRowFailsAlone) {
  const Sample s = sample(10, 3, 2, 6);
  const auto detector = Mahalanobis::fit(s.rows(), s.labels);
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> queries = {1, 2, 3, 1, infinity, 3, 1, -infinity, 0, 1, 2, 4};
  std::vector<RowError> errors;
  const auto scores = detector.scores({queries.data(), 4, 3}, {.errors = &errors});
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].reason, "+inf at column 1");
  EXPECT_EQ(errors[1].reason, "-inf at column 1");
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_TRUE(std::isnan(scores[2]));
  EXPECT_EQ(scores[0], detector.scores({queries.data(), 1, 3})[0]);
  EXPECT_EQ(scores[3], detector.scores({queries.data() + 9, 1, 3})[0]);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              detector.scores({queries.data(), 6, 2});
            }),
            "features: expected 3 (columns, as in training), got 2");
}

TEST(Mahalanobis, BytesAreReadBack) {
  const Sample s = sample(40, 3, 2, 7);
  const auto detector = Mahalanobis::fit(s.rows(), s.labels);
  const std::string bytes = detector.serialize();
  const auto read = Mahalanobis::parse(bytes);
  EXPECT_EQ(read.scores(s.rows()), detector.scores(s.rows()));
  EXPECT_EQ(read.shrinkage(), detector.shrinkage());
  EXPECT_EQ(read.classes(), detector.classes());
  EXPECT_EQ(read.serialize(), bytes);
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_THROW(Mahalanobis::parse(bytes.substr(0, size)), DataError) << size;
  }
}

}  // namespace
}  // namespace partita
