// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/logit_score.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/float16.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr LogitScore kAll[] = {LogitScore::msp, LogitScore::max_logit, LogitScore::entropy,
                               LogitScore::energy};

double score_of(LogitScore score, const std::vector<double>& z, double temperature = 1) {
  return logit_scores(score, {z.data(), 1, z.size()}, temperature).at(0);
}

/// The textbook formulas in long double.
long double reference(LogitScore score, const std::vector<double>& z, double temperature) {
  const long double max = *std::max_element(z.begin(), z.end());
  if (score == LogitScore::max_logit) return max;
  long double sum = 0;
  for (const double x : z) sum += std::exp((x - max) / temperature);
  const long double log_sum = std::log(sum);
  if (score == LogitScore::msp) return -log_sum;
  if (score == LogitScore::energy) return max + temperature * log_sum;
  long double entropy = 0;
  for (const double x : z) {
    const long double log_p = (x - max) / temperature - log_sum;
    if (!std::isinf(log_p)) entropy -= std::exp(log_p) * log_p;
  }
  return -entropy;
}

TEST(LogitScore, EqualsLongDouble) {
  std::mt19937_64 random(1);
  for (const std::size_t n : {1UL, 2UL, 10UL, 513UL, 50'000UL}) {
    for (const double sigma : {0.01, 1.0, 20.0}) {
      std::normal_distribution<double> normal(5, sigma);
      std::vector<double> z(n);
      for (double& x : z) x = normal(random);
      if (n > 2) z[1] = -kInfinity;
      for (const double temperature : {1.0, 0.01, 0.7, 3.0, 1000.0}) {
        for (const LogitScore score : kAll) {
          const auto expected = static_cast<double>(reference(score, z, temperature));
          EXPECT_NEAR(score_of(score, z, temperature), expected, 2e-14 * (1 + std::abs(expected)))
              << n << " " << sigma << " " << temperature << " " << static_cast<int>(score);
        }
      }
    }
  }
}

TEST(LogitScore, ConfidentRowsStillDiffer) {
  // Largest probabilities of 1 - e^-50 and 1 - e^-60: both round to 1.
  EXPECT_NEAR(score_of(LogitScore::msp, {50, 0}) / -std::exp(-50), 1, 1e-13);
  EXPECT_NEAR(score_of(LogitScore::msp, {60, 0}) / -std::exp(-60), 1, 1e-13);
  EXPECT_NEAR(score_of(LogitScore::msp, {100, 0}, 2) / -std::exp(-50), 1, 1e-13);
  EXPECT_NEAR(score_of(LogitScore::entropy, {50, 0}) / (-51 * std::exp(-50)), 1, 1e-13);
  const float z[] = {50, 0};
  EXPECT_NEAR(logit_scores(LogitScore::msp, {z, 1, 2})[0] / -std::exp(-50), 1, 1e-5);
}

TEST(LogitScore, SizeOfTheLogitsDoesNotMatter) {
  for (const double size : {1e-300, 1e4, 1e300}) {
    EXPECT_NEAR(score_of(LogitScore::msp, {size, size, size}, 0.5), -std::log(3), 1e-15);
    EXPECT_NEAR(score_of(LogitScore::entropy, {-size, -size, -kInfinity}, 2), -std::log(2), 1e-15);
    EXPECT_DOUBLE_EQ(score_of(LogitScore::energy, {size, size}, 0.5), size + 0.5 * std::log(2));
  }
  EXPECT_EQ(score_of(LogitScore::msp, {1.7e308, -1.7e308}, 0.001), 0);
  EXPECT_EQ(score_of(LogitScore::energy, {1.7e308, -1.7e308}, 0.001), 1.7e308);
}

TEST(LogitScore, KnownScoresKnowShifts) {
  // msp and entropy do not see a shift of the row; max_logit and energy move with it.
  const std::vector<double> z = {1, 2, 4};
  const std::vector<double> moved = {11, 12, 14};
  for (const double temperature : {1.0, 2.0}) {
    for (const LogitScore score : kAll) {
      const bool moves = score == LogitScore::max_logit || score == LogitScore::energy;
      EXPECT_NEAR(score_of(score, moved, temperature) - score_of(score, z, temperature),
                  moves ? 10 : 0, 1e-14);
    }
  }
}

TEST(LogitScore, FormatStridesAndThreadsChangeNothing) {
  std::mt19937_64 random(2);
  std::normal_distribution<float> normal(0, 4);
  constexpr std::size_t kRows = 37;
  constexpr std::size_t kColumns = 21;
  std::vector<bfloat16> half(kRows * kColumns);
  std::vector<float> single(half.size());
  std::vector<float> transposed(half.size());
  for (std::size_t i = 0; i < half.size(); ++i) {
    half[i] = bfloat16(normal(random));
    single[i] = half[i];
    transposed[i % kColumns * kRows + i / kColumns] = half[i];
  }
  for (const LogitScore score : kAll) {
    for (const double temperature : {1.0, 1.7}) {
      const auto expected = logit_scores(score, {single.data(), kRows, kColumns}, temperature);
      EXPECT_EQ(logit_scores(score, {half.data(), kRows, kColumns}, temperature), expected);
      EXPECT_EQ(logit_scores(score, {transposed.data(), kRows, kColumns, 1, kRows}, temperature),
                expected);
      EXPECT_EQ(logit_scores(score, {single.data(), kRows, kColumns}, temperature, {.threads = 5}),
                expected);
      const auto wide = [&] {
        std::vector<double> z(single.begin(), single.end());
        return logit_scores(score, {z.data(), kRows, kColumns}, temperature);
      }();
      for (std::size_t r = 0; r < kRows; ++r) {
        EXPECT_NEAR(expected[r], wide[r], 2e-6 * (1 + std::abs(wide[r])));
      }
    }
  }
}

TEST(LogitScore, ABadRowFailsAlone) {
  const std::vector<double> z = {0, 1, kNan, 1, kInfinity, 1, -kInfinity, -kInfinity, 2, 3};
  const Rows rows{z.data(), 5, 2};
  for (const LogitScore score : kAll) {
    for (const double temperature : {1.0, 3.0}) {
      std::vector<RowError> errors;
      const auto scores = logit_scores(score, rows, temperature, {.threads = 2, .errors = &errors});
      ASSERT_EQ(errors.size(), 3U);
      EXPECT_EQ(errors[0].row, 1U);
      EXPECT_EQ(errors[0].reason, "NaN at column 0");
      EXPECT_EQ(errors[1].reason, "+inf at column 0");
      EXPECT_EQ(errors[2].reason, "every category is impossible (all -inf)");
      EXPECT_EQ(scores[0], score_of(score, {0, 1}, temperature));
      EXPECT_EQ(scores[4], score_of(score, {2, 3}, temperature));
      for (const std::size_t r : {1U, 2U, 3U}) EXPECT_TRUE(std::isnan(scores[r]));
      EXPECT_EQ(
          testing::message_of<InvalidArgument>([&] { logit_scores(score, rows, temperature); }),
          "logits: row 1: NaN at column 0");
    }
  }
}

TEST(LogitScore, RefusesOtherTemperatures) {
  const double z[] = {0, 1};
  for (const double temperature : {0.0, -1.0, kInfinity, kNan}) {
    EXPECT_THROW(logit_scores(LogitScore::msp, {z, 1, 2}, temperature), InvalidArgument);
  }
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] {
              logit_scores(LogitScore::max_logit, {z, 1, 2}, 0);
            }),
            "temperature: expected a number in (0, inf), got 0");
  EXPECT_TRUE(logit_scores(LogitScore::msp, {z, 0, 2}).empty());
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] {
              logit_scores(LogitScore::msp, {z, 1, 0});
            }),
            "logits: row 0: no columns");
}

TEST(LogitScore, GeneralizedEntropyEqualsLongDouble) {
  std::mt19937_64 random(2);
  for (const double sigma : {0.1, 3.0, 60.0}) {
    std::normal_distribution<double> normal(5, sigma);
    std::vector<double> z(50);
    for (double& x : z) x = normal(random);
    z[7] = -kInfinity;
    for (const double gamma : {0.1, 1.0, 2.5}) {
      for (const std::size_t largest : {1UL, 10UL, 50UL, 1000UL}) {
        const long double max = *std::max_element(z.begin(), z.end());
        std::vector<long double> p;
        long double sum = 0;
        for (const double x : z) sum += p.emplace_back(std::exp(x - max));
        std::sort(p.begin(), p.end(), std::greater<>());
        long double rest = 0;  // 1 - p_0, which the difference would lose
        for (std::size_t i = 1; i < p.size(); ++i) rest += p[i] / sum;
        long double expected = 0;
        for (std::size_t i = 0; i < std::min(largest, z.size()); ++i) {
          const long double q = p[i] / sum;
          expected -= std::pow(q * (i == 0 ? rest : 1 - q), static_cast<long double>(gamma));
        }
        const double score = generalized_entropy_scores({z.data(), 1, 50}, gamma, largest)[0];
        EXPECT_NEAR(score / static_cast<double>(expected), 1, 1e-13)
            << sigma << " " << gamma << " " << largest;
      }
    }
  }
  const double sure[] = {600, 0};  // rounds to certainty
  EXPECT_NEAR(generalized_entropy_scores({sure, 1, 2})[0] / std::exp(-60), -2, 1e-12);
}

}  // namespace
}  // namespace partita
