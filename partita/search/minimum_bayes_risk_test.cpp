// SPDX-License-Identifier: Apache-2.0
#include "partita/search/minimum_bayes_risk.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/stream.hpp"

namespace partita {
namespace {

using partita::testing::message_of;

Sequence characters(std::string_view text) { return {text.begin(), text.end()}; }

TEST(NgramFScore, TokenF1CountsTokensAsOftenAsBothHaveThem) {
  const auto f1 = [](const Sequence& a, const Sequence& b) { return kTokenF1(a, b); };
  EXPECT_DOUBLE_EQ(f1({1, 2, 3}, {3, 1, 2}), 1);
  EXPECT_DOUBLE_EQ(f1({1, 1, 2}, {1, 3}), 2 * (1 / 3.0) * (1 / 2.0) / (1 / 3.0 + 1 / 2.0));
  EXPECT_DOUBLE_EQ(f1({1, 1, 2}, {1, 1, 1, 1}), 2 * (2 / 3.0) * (2 / 4.0) / (2 / 3.0 + 2 / 4.0));
  EXPECT_EQ(f1({1}, {2}), 0);
  EXPECT_EQ(f1({}, {2}), 0);
  EXPECT_EQ(f1({2}, {}), 0);
  EXPECT_EQ(f1({}, {}), 1);
}

// By hand: "abcd" and "abed" share a, b, d of four, ab of three, and no trigram of two.
TEST(NgramFScore, IsChrF) {
  const Sequence a = characters("abcd");
  const Sequence b = characters("abed");
  const double mean = (3 / 4.0 + 1 / 3.0 + 0 / 2.0 + 0 / 1.0) / 4;  // P and R alike
  EXPECT_DOUBLE_EQ(NgramFScore{}(a, b), mean);
  EXPECT_DOUBLE_EQ(NgramFScore{}(a, a), 1);
  // "abc" and "abcab": P = 1, 1, 1; R = 3/5, 2/4, 1/3; longer n-grams only one of them has.
  const double recall = (3 / 5.0 + 2 / 4.0 + 1 / 3.0) / 3;
  EXPECT_DOUBLE_EQ(NgramFScore{}(characters("abc"), characters("abcab")),
                   5 * recall / (4 + recall));
  EXPECT_DOUBLE_EQ((NgramFScore{.max_n = 3, .beta = 1}(characters("abcab"), characters("abc"))),
                   2 * recall / (1 + recall));
}

// The most likely sequence shares nothing with the others, which agree among themselves.
TEST(MinimumBayesRisk, ChoosesTheSequenceThatAgrees) {
  const std::vector<Sequence> sequences = {{9, 9}, {1, 2, 3}, {1, 2, 4}, {1, 5, 3}};
  const std::vector<double> weights = {4, 2, 2, 2};
  const MinimumBayesRisk risk = minimum_bayes_risk(sequences, weights, kTokenF1);
  EXPECT_EQ(risk.choice, 1U);
  const double expected[] = {0.4, 0.2 * (1 + 2 / 3.0 + 2 / 3.0), 0.2 * (1 + 2 / 3.0 + 1 / 3.0),
                             0.2 * (1 + 2 / 3.0 + 1 / 3.0)};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(risk.utilities[i], expected[i], 1e-15);
}

// Under 0-1 utility, that is the most likely sequence; of equals the first. Weights count by their
// quotients alone.
TEST(MinimumBayesRisk, AnyUtility) {
  const Utility same = [](std::span<const Token> a, std::span<const Token> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end()) ? 1.0 : 0.0;
  };
  const std::vector<Sequence> sequences = {{1}, {2}, {3}};
  EXPECT_EQ(minimum_bayes_risk(sequences, std::vector<double>{1, 2, 1}, same).choice, 1U);
  EXPECT_EQ(minimum_bayes_risk(sequences, std::vector<double>{1, 1, 1}, same).choice, 0U);
  const auto large = minimum_bayes_risk(sequences, std::vector<double>{0, 3e300, 1e300}, same);
  EXPECT_EQ(large.utilities, (std::vector<double>{0, 0.75, 0.25}));
  // The length nearest to the weighted mean of lengths, under minus the squared difference.
  const Utility near = [](std::span<const Token> a, std::span<const Token> b) {
    return -std::pow(static_cast<double>(a.size()) - static_cast<double>(b.size()), 2);
  };
  const std::vector<Sequence> lengths = {Sequence(1), Sequence(4), Sequence(9)};
  EXPECT_EQ(minimum_bayes_risk(lengths, std::vector<double>{1, 1, 1}, near).choice, 1U);
  EXPECT_EQ(minimum_bayes_risk(lengths, std::vector<double>{1, 1, 4}, near).choice, 2U);
}

TEST(MinimumBayesRisk, Refusals) {
  const std::vector<Sequence> sequences = {{1}, {2}};
  const auto message = [&](const std::vector<Sequence>& given, const std::vector<double>& weights,
                           const Utility& utility) {
    return message_of<InvalidArgument>([&] { minimum_bayes_risk(given, weights, utility); });
  };
  EXPECT_EQ(message({}, {}, kTokenF1), "sequences: expected 1 or more, got 0");
  EXPECT_EQ(message(sequences, {1}, kTokenF1),
            "weights: expected 2 (one for each sequence), got 1");
  EXPECT_EQ(message(sequences, {1, -1}, kTokenF1),
            "weights: expected a number in [0, inf), got -1");
  EXPECT_EQ(message(sequences, {0, 0}, kTokenF1), "weights: expected a number in (0, inf), got 0");
  EXPECT_EQ(message(sequences, {1, 1}, NgramFScore{.max_n = 0}),
            "max_n: expected 1 or more, got 0");
  EXPECT_EQ(message(sequences, {1, 1}, NgramFScore{.beta = 0}),
            "beta: expected a number in (0, inf), got 0");
  EXPECT_EQ(message(sequences, {1, 1},
                    [](auto, auto) { return std::numeric_limits<double>::quiet_NaN(); }),
            "utility: expected a finite number, got nan for sequences 0 and 0");
}

}  // namespace
}  // namespace partita
