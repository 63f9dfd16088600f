// SPDX-License-Identifier: Apache-2.0
// Bias, penalties and bans, each on an example worked by hand.
#include "partita/sampler/internal/edits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "partita/sampler/filter.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::kMinusInfinity;
using Tokens = std::vector<std::int32_t>;

std::vector<double> after(const SamplerSettings& settings, std::vector<double> row) {
  apply_settings(settings, {}, row);
  return row;
}

TEST(Edits, Bias) {
  const std::vector<LogitBias> bias = {{0, 1.5}, {2, kMinusInfinity}, {0, 1}, {3, 2}};
  EXPECT_EQ(after({.logit_bias = bias}, {1, 1, 1, kMinusInfinity}),
            (std::vector<double>{3.5, 1, kMinusInfinity, kMinusInfinity}));
}

TEST(Edits, RepetitionFrequencyAndPresence) {
  const Tokens history = {0, 1, 1, 3, 1};
  const SamplerSettings s{
      .history = history, .repeat_penalty = 2, .frequency_penalty = 0.25, .presence_penalty = 0.5};
  // Token 0: 4 / 2 - .25 - .5; token 1: -1 * 2 - .75 - .5; token 3: 0 - .25 - .5.
  EXPECT_EQ(after(s, {4, -1, 3, 0}), (std::vector<double>{1.25, -3.25, 3, -0.75}));
  SamplerSettings last = s;
  last.penalty_last_n = 2;  // 3, 1
  EXPECT_EQ(after(last, {4, -1, 3, 0}), (std::vector<double>{4, -2.75, 3, -0.75}));
  last.penalty_last_n = 0;
  EXPECT_EQ(after(last, {4, -1, 3, 0}), (std::vector<double>{4, -1, 3, 0}));
}

// A temperature moves no logit across 0, where the penalty turns from a quotient to a product.
TEST(Edits, RepetitionAfterTheTemperatureIsOfTheScaledLogits) {
  const Tokens history = {0, 1};
  const SamplerStep order[] = {SamplerStep::temperature, SamplerStep::penalties};
  const SamplerSettings s{
      .history = history, .repeat_penalty = 2, .temperature = 0.5, .order = order};
  // 3, -1 and 4, divided by 1/2: 6 / 2, -2 * 2, 8.
  EXPECT_EQ(after(s, {3, -1, 4}), (std::vector<double>{3, -4, 8}));
}

TEST(Edits, NoRepeatNgram) {
  const Tokens history = {0, 1, 2, 0, 1};
  const std::vector<double> row = {1, 1, 1, 1};
  SamplerSettings s{.history = history, .no_repeat_ngram = 3};
  EXPECT_EQ(testing::possible(after(s, row)), (std::vector<std::int64_t>{0, 1, 3}));  // 0 1 2
  s.no_repeat_ngram = 2;                                                              // after 1: 2
  EXPECT_EQ(testing::possible(after(s, row)), (std::vector<std::int64_t>{0, 1, 3}));
  s.no_repeat_ngram = 1;  // all that were seen
  EXPECT_EQ(testing::possible(after(s, row)), (std::vector<std::int64_t>{3}));
  s.no_repeat_ngram = 6;
  EXPECT_EQ(testing::possible(after(s, row)).size(), 4);
  // Where all would be forbidden, the most likely stays.
  s.no_repeat_ngram = 1;
  EXPECT_EQ(testing::possible(after(s, {1, 3, 2})), (std::vector<std::int64_t>{1}));
}

TEST(Edits, Dry) {
  // The end 1 2 3 occurs before 4, and 2 3 before 5.
  const Tokens history = {1, 2, 3, 4, 2, 3, 5, 1, 2, 3};
  SamplerSettings s{.history = history, .dry_multiplier = 0.5, .dry_base = 2};
  const std::vector<double> row(6, 1.0);
  EXPECT_EQ(after(s, row), (std::vector<double>{1, 1, 1, 1, 0, 0.5}));  // .5 * 2^1, .5 * 2^0
  s.dry_allowed_length = 3;
  EXPECT_EQ(after(s, row), (std::vector<double>{1, 1, 1, 1, 0.5, 1}));
  s.dry_allowed_length = 2;
  const Tokens two = {2};  // a repetition begins after it: 3 alone is too short
  s.dry_breakers = two;
  EXPECT_EQ(after(s, row), row);
  const Tokens one = {1};  // 2 3 before 4 and 5
  s.dry_breakers = one;
  EXPECT_EQ(after(s, row), (std::vector<double>{1, 1, 1, 1, 0.5, 0.5}));
  const Tokens four = {4};  // is not penalized itself
  s.dry_breakers = four;
  EXPECT_EQ(after(s, row), (std::vector<double>{1, 1, 1, 1, 1, 0.5}));
  s.dry_breakers = {};
  s.dry_last_n = 6;  // 2 3 5 1 2 3
  EXPECT_EQ(after(s, row), (std::vector<double>{1, 1, 1, 1, 1, 0.5}));
}

// Against counting every repetition, token by token.
TEST(Edits, DryFindsTheLongestRepetition) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    Tokens history(1 + random() % 40);
    for (auto& token : history) token = static_cast<std::int32_t>(random() % 3);
    const SamplerSettings s{.history = history, .dry_multiplier = 0.125, .dry_base = 1.5};
    std::vector<double> expected(3, 0.0);
    for (std::int32_t token = 0; token < 3; ++token) {
      std::size_t longest = 0;
      for (std::size_t i = 0; i < history.size(); ++i) {
        if (history[i] != token) continue;
        std::size_t n = 0;
        while (n < i && history[i - 1 - n] == history[history.size() - 1 - n]) ++n;
        longest = std::max(longest, n);
      }
      if (longest >= 2) {
        expected[static_cast<std::size_t>(token)] -=
            0.125 * std::pow(1.5, static_cast<double>(longest - 2));
      }
    }
    EXPECT_EQ(after(s, {0, 0, 0}), expected);
  }
}

// However large the penalty, what is possible stays so.
TEST(Edits, PenaltiesForbidNothing) {
  const Tokens history(5000, 0);
  const SamplerSettings s{.history = history,
                          .repeat_penalty = 1e300,
                          .frequency_penalty = 1e308,
                          .dry_multiplier = 1,
                          .dry_base = 10};
  const auto row = after(s, {-1e100});
  EXPECT_EQ(row[0], std::numeric_limits<double>::lowest());
}

}  // namespace
}  // namespace partita
