// SPDX-License-Identifier: Apache-2.0
#include "partita/random/alias_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using ::testing::Each;
using testing::message_of;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Zipf's weights of `n` words to the power `alpha`.
std::vector<double> zipf(std::size_t n, double alpha = 1) {
  std::vector<double> weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    weights[i] = std::pow(1e6 / static_cast<double>(i + 1), alpha);
  }
  return weights;
}

std::vector<double> counts_of(const AliasTable& table, std::size_t draws, std::uint64_t seed) {
  std::vector<std::uint32_t> drawn(draws);
  table.fill({.seed = seed}, 0, drawn);
  std::vector<double> counts(table.size());
  for (const std::uint32_t category : drawn) ++counts.at(category);
  return counts;
}

std::vector<double> expected_counts(const std::vector<double>& weights, std::size_t draws) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> expected;
  for (const double w : weights) expected.push_back(w / sum * static_cast<double>(draws));
  return expected;
}

/// How far the share of `words` evenly spaced words that gets each category is from its
/// probability, at most.
double largest_error(const AliasTable& table, const std::vector<double>& weights,
                     unsigned log2_words) {
  std::vector<double> counts(table.size());
  for (std::uint64_t i = 0; i < 1ULL << log2_words; ++i) {
    ++counts.at(table(i << (64 - log2_words)));
  }
  const std::vector<double> expected = expected_counts(weights, 1ULL << log2_words);
  double largest = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    largest = std::max(largest, std::abs(counts[i] - expected[i]));
  }
  return largest * std::ldexp(1.0, -static_cast<int>(log2_words));
}

TEST(AliasTable, EachCategoryHasItsShareOfAllWords) {
  constexpr unsigned kLog2Words = 20;
  std::mt19937 source(1);
  for (const std::size_t n : {1U, 2U, 3U, 7U, 64U, 100U}) {
    for (int trial = 0; trial < 10; ++trial) {
      std::vector<double> weights(n);
      for (double& w : weights) w = std::exp(std::uniform_real_distribution<>(-8, 8)(source));
      // Each boundary between a column's category and its alias is missed by less than a word.
      EXPECT_LE(largest_error(AliasTable(weights), weights, kLog2Words),
                static_cast<double>(n + 1) * std::ldexp(1.0, -static_cast<int>(kLog2Words)));
    }
  }
}

TEST(AliasTable, DrawsHaveTheirDistribution) {
  constexpr std::size_t kDraws = 2'000'000;
  for (const std::vector<double>& weights :
       {zipf(1), zipf(2), zipf(1000), zipf(1000, 0.75), zipf(1000, 0), zipf(50'000, 0.75),
        std::vector<double>{1e-300, 1e300, 3e299}, std::vector<double>{1, 0, 2, 0, 0, 3}}) {
    const auto observed = counts_of(AliasTable(weights), kDraws, 3);
    EXPECT_GT(chi_square_p_value(observed, expected_counts(weights, kDraws)), kFalseAlarm)
        << weights.size();
  }
  // The wrong exponent must not pass.
  EXPECT_LT(chi_square_p_value(counts_of(AliasTable(zipf(1000, 0.75)), kDraws, 3),
                               expected_counts(zipf(1000, 0.77), kDraws)),
            kFalseAlarm);
}

TEST(AliasTable, AMillionCategories) {
  constexpr std::size_t kMillion = 1'000'000;
  constexpr std::size_t kDraws = 10 * kMillion;
  const std::vector<double> weights = zipf(kMillion, 0.75);
  const AliasTable table(weights);
  EXPECT_EQ(table.size(), kMillion);
  EXPECT_GT(chi_square_p_value(counts_of(table, kDraws, 4), expected_counts(weights, kDraws)),
            kFalseAlarm);
  // All equal: every column is its own, and the last is reached.
  const AliasTable uniform(std::vector<double>(kMillion, 0.1));
  EXPECT_EQ(uniform(std::numeric_limits<std::uint64_t>::max()), kMillion - 1);
  EXPECT_EQ(uniform(0), 0U);
  EXPECT_NEAR(uniform.log_prob(7), -std::log(1e6), 1e-15 * 14);
}

TEST(AliasTable, WeightsOfZeroAreNeverDrawn) {
  for (const std::size_t n : {2U, 10U, 1000U, 100'000U}) {
    for (const std::size_t kept : {std::size_t{0}, n / 2, n - 1}) {
      std::vector<double> weights(n);
      weights[kept] = 0.1;
      std::vector<std::uint32_t> drawn(10'000);
      AliasTable(weights).fill({.seed = n}, 0, drawn);
      EXPECT_THAT(drawn, Each(kept)) << n;
    }
    // Every third, among weights that no double divides evenly.
    std::vector<double> weights = zipf(n, 0.3);
    for (std::size_t i = 0; i < n; i += 3) weights[i] = 0;
    const AliasTable table(weights);
    for (std::uint64_t i = 0; i < 10 * n; ++i) {
      ASSERT_NE(table(Stream{.seed = 5}.bits(i)) % 3, 0U);
      // The very last words of a column, where rounding would show.
      ASSERT_NE(table((i + 1) * (~std::uint64_t{0} / (10 * n))) % 3, 0U);
    }
    EXPECT_EQ(table.log_prob(0), -kInfinity);
  }
}

TEST(AliasTable, LogProbIsThatOfTheWeights) {
  const std::vector<double> weights = {3, 0, 1, 1e-310, 12};
  const AliasTable table(weights);
  EXPECT_DOUBLE_EQ(table.log_prob(0), std::log(3.0 / 16));
  EXPECT_EQ(table.log_prob(1), -kInfinity);
  EXPECT_DOUBLE_EQ(table.log_prob(2), std::log(1.0 / 16));
  EXPECT_DOUBLE_EQ(table.log_prob(3),
                   std::log(1e-310) - std::log(16));  // where w / sum would lose digits
  EXPECT_DOUBLE_EQ(table.log_prob(4), std::log(0.75));
  EXPECT_EQ(AliasTable(std::vector<double>{1e-5}).log_prob(0), 0);
  EXPECT_EQ(AliasTable(std::vector<double>{0, 1e308, 0}).log_prob(1), 0);
  EXPECT_DOUBLE_EQ(AliasTable(std::vector<double>(4, 1e308)).log_prob(1), -std::log(4.0));

  const std::vector<double> words = zipf(100'000, 0.75);
  const AliasTable noise(words);
  double sum = 0;
  for (const double log_q : noise.log_probs()) sum += std::exp(log_q);
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(AliasTable, ADrawDependsOnItsPositionAlone) {
  const AliasTable table(zipf(1000));
  const Stream stream{.seed = 6, .id = 7};
  std::vector<std::uint32_t> whole(101);
  table.fill(stream, 5, whole);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(whole[i], table(stream.bits(5 + i)));
  for (const std::size_t cut : {0U, 1U, 2U, 50U, 100U}) {
    std::vector<std::int64_t> parts(whole.size());
    table.fill(stream, 5, std::span(parts).first(cut));
    table.fill(stream, 5 + cut, std::span(parts).subspan(cut));
    EXPECT_TRUE(std::equal(parts.begin(), parts.end(), whole.begin())) << cut;
  }
}

TEST(AliasTable, RefusesWhatIsNoWeight) {
  const auto refusal = [](const std::vector<double>& weights) {
    return message_of<InvalidArgument>([&] { AliasTable{weights}; });
  };
  EXPECT_EQ(refusal({}), "weights: expected 1..4294967296, got 0");
  EXPECT_EQ(refusal({0, 0}), "weights: expected one above 0, all are 0");
  EXPECT_EQ(refusal({1, 2, -0.5}),
            "weights: category 2: expected 0 or a positive number, got -0.5");
  EXPECT_EQ(refusal({1, kInfinity}),
            "weights: category 1: expected 0 or a positive number, got inf");
  EXPECT_EQ(refusal({std::nan("")}),
            "weights: category 0: expected 0 or a positive number, got nan");
}

}  // namespace
}  // namespace partita
