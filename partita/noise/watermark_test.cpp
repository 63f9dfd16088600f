// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/watermark.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/noise/internal/tournament.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/search_test_support.hpp"

namespace partita {
namespace {

using testing::message_of;
using testing::StatefulModel;
using testing::StatelessModel;

constexpr std::array kSchemes = {WatermarkScheme::gumbel, WatermarkScheme::green_list,
                                 WatermarkScheme::tournament};

/// A key of its own for each n.
std::array<std::uint64_t, 2> key(std::uint64_t n) { return {Stream{99}.bits(n), n}; }

/// p-value of whole texts of `model` against what `draw(i)` gives, χ².
template <class Draw>
double law_p_value(const SequenceModel& model, std::size_t longest, std::size_t n,
                   const Draw& draw) {
  const testing::Support support(model, {.max_length = longest});
  std::vector<double> observed(support.size());
  std::vector<double> expected;
  for (const double p : support.p) expected.push_back(static_cast<double>(n) * p);
  for (std::size_t i = 0; i < n; ++i) ++observed[support.find(draw(i))];
  return chi_square_p_value(observed, expected);
}

TEST(Watermark, DistortsNothingOverRandomKeysOrOnlyWhatItSays) {
  // Two tokens and an end: with one token of context, most contexts come again within a text.
  const StatelessModel model({.vocabulary = 3, .scale = 0.7});
  constexpr std::size_t kTexts = 40'000;
  for (const WatermarkScheme scheme : kSchemes) {
    const double p = law_p_value(model, 4, kTexts, [&](std::size_t i) {
      const Watermark mark{.scheme = scheme, .key = key(i), .context_width = 1, .layers = 5};
      return watermarked_samples(model, {}, 1, mark, Stream{.seed = 7, .id = i},
                                 {.max_length = 4})[0];
    });
    if (scheme == WatermarkScheme::green_list) {
      EXPECT_LT(p, 1e-12);
    } else {
      EXPECT_GT(p, kFalseAlarm);
    }
  }
}

TEST(Watermark, PValuesOfUnmarkedTextHaveTheirExactLaw) {
  // Texts from three tokens of unequal probability, whose contexts repeat: 100,000 of each.
  constexpr std::size_t kTexts = 100'000;
  constexpr std::size_t kLength = 12;
  for (const WatermarkScheme scheme : kSchemes) {
    const Watermark mark{
        .scheme = scheme, .key = key(1), .context_width = 2, .green_fraction = 0.3, .layers = 7};
    std::map<std::size_t, std::map<double, double>> scores;  // by how many tokens were scored
    std::vector<double> p_values;
    for (std::size_t i = 0; i < kTexts; ++i) {
      Watermark each = mark;
      each.key = key(i);  // an independent key is the same as an independent text
      Sequence text;
      for (std::size_t t = 0; t < kLength; ++t) {
        const double u = Stream{.seed = 5, .id = i}.uniform(t);
        text.push_back(u < 0.6 ? 0 : u < 0.9 ? 1 : 2);
      }
      const WatermarkEvidence evidence = detect_watermark(each, text);
      ASSERT_EQ(evidence.scores.size() + evidence.masked, kLength - 2);
      p_values.push_back(evidence.p_value);
      if (scheme != WatermarkScheme::gumbel) scores[evidence.scores.size()][evidence.score] += 1;
    }
    if (scheme == WatermarkScheme::gumbel) {
      EXPECT_GT(ks_p_value(p_values, [](double p) { return p; }), kFalseAlarm);
      continue;
    }
    for (const auto& [length, counts] : scores) {
      const std::size_t n = length;
      const std::size_t trials = scheme == WatermarkScheme::green_list ? n : 7 * n;
      double texts = 0;
      std::vector<double> observed(trials + 1);
      for (const auto& [score, count] : counts) {
        observed[static_cast<std::size_t>(score)] = count;
        texts += count;
      }
      std::vector<double> expected;
      for (std::size_t k = 0; k <= trials; ++k) {
        const auto tail = [&](std::size_t from) {
          return from > trials ? 0 : watermark_p_value(mark, n, static_cast<double>(from));
        };
        expected.push_back(texts * (tail(k) - tail(k + 1)));
      }
      EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << n;
    }
  }
}

class EndlessModel : public StatelessModel {
 public:
  using StatelessModel::StatelessModel;
  Token end_token() const override { return -1; }
};

TEST(Watermark, IsFoundInMarkedTextAndWithNoOtherKey) {
  const EndlessModel model({.vocabulary = 30, .scale = 1.0});
  for (const WatermarkScheme scheme : kSchemes) {
    const Watermark mark{.scheme = scheme, .key = key(1), .context_width = 2};
    const auto marked =
        watermarked_samples(model, {}, 20, mark, Stream{.seed = 1}, {.max_length = 100});
    Watermark other = mark;
    other.key[1] ^= 1U;
    double log_p = 0;
    std::vector<double> others;
    for (const Hypothesis& text : marked) {
      log_p += std::log(detect_watermark(mark, text.tokens).p_value);
      others.push_back(detect_watermark(other, text.tokens).p_value);
    }
    EXPECT_LT(log_p / 20, std::log(1e-9));
    EXPECT_GT(*std::min_element(others.begin(), others.end()), 1e-6);
  }
}

TEST(Watermark, SamplesDependOnNothingButTheirStream) {
  const StatelessModel model({.vocabulary = 6});
  const StatefulModel stateful({.vocabulary = 6});
  const Watermark mark{.scheme = WatermarkScheme::tournament, .key = key(3), .context_width = 2};
  const SearchOptions options{.max_length = 20};
  const auto all = watermarked_samples(model, {1, 2}, 30, mark, Stream{.seed = 4}, options);
  const auto same = watermarked_samples(stateful, {1, 2}, 30, mark, Stream{.seed = 4},
                                        {.max_length = 20, .threads = 2, .batch = 7});
  EXPECT_EQ(all, same);
  const auto last = watermarked_samples(model, {1, 2}, 1, mark, {Stream{.seed = 4}, 29}, options);
  EXPECT_EQ(all[29], last[0]);
  for (const Hypothesis& text : all) {
    Sequence prefix = {1, 2};
    double log_prob = 0;
    for (const Token token : text.tokens) {
      log_prob += testing::next_log_probs(model, prefix)[static_cast<std::size_t>(token)];
      prefix.push_back(token);
    }
    if (text.finished) log_prob += testing::next_log_probs(model, prefix)[5];
    EXPECT_NEAR(text.log_prob, log_prob, 1e-12);
  }
}

TEST(Watermark, TournamentsEndAsPlayed) {
  // All 2^3 candidates of three rounds, by enumeration.
  const std::array p = {0.5, 0.3, 0.2};
  const std::array<std::uint64_t, 3> bits = {0b010, 0b101, 0b110};
  std::array<double, 3> expected{};
  const auto play = [&](const auto& self, std::vector<std::size_t> candidates, double weight,
                        int layer) -> void {
    if (candidates.size() == 1) {
      expected[candidates[0]] += weight;
      return;
    }
    // Winners of the matches, each a coin where the bits tie.
    std::vector<std::pair<std::vector<std::size_t>, double>> outcomes = {{{}, weight}};
    for (std::size_t m = 0; m < candidates.size(); m += 2) {
      std::vector<std::pair<std::vector<std::size_t>, double>> next;
      for (const auto& [winners, w] : outcomes) {
        for (const std::size_t side : {m, m + 1}) {
          const auto g = [&](std::size_t i) { return bits[candidates[i]] >> layer & 1U; };
          const std::size_t other = side == m ? m + 1 : m;
          const double chance = g(side) == g(other) ? 0.5 : g(side) > g(other) ? 1 : 0;
          if (chance == 0) continue;
          next.emplace_back(winners, w * chance);
          next.back().first.push_back(candidates[side]);
        }
      }
      outcomes = std::move(next);
    }
    for (const auto& [winners, w] : outcomes) self(self, winners, w, layer + 1);
  };
  for (std::size_t code = 0; code < 6561; ++code) {  // 3^8
    std::vector<std::size_t> candidates;
    double weight = 1;
    for (std::size_t i = 0, rest = code; i < 8; ++i, rest /= 3) {
      candidates.push_back(rest % 3);
      weight *= p[rest % 3];
    }
    play(play, candidates, weight, 0);
  }
  std::array outcome = p;
  play_tournament(outcome, bits, 3);
  for (std::size_t x = 0; x < 3; ++x) EXPECT_NEAR(outcome[x], expected[x], 1e-12);
}

TEST(Watermark, SeveralTextsAreMaskedAsOne) {
  const Watermark mark{.key = key(2), .context_width = 2};
  const std::vector<Sequence> texts = {{1, 2, 3, 4}, {1, 2, 3, 5}, {7}};
  const WatermarkEvidence evidence = detect_watermark(mark, texts);
  EXPECT_EQ(evidence.scores.size(), 2U);
  EXPECT_EQ(evidence.masked, 2U);
  EXPECT_EQ(evidence.scores, detect_watermark(mark, texts[0]).scores);
}

TEST(Watermark, RefusesWhatItCannotUse) {
  const Sequence text = {1, 2, 3};
  const auto reason = [](const Watermark& mark, const Sequence& tokens) {
    return message_of<InvalidArgument>([&] { detect_watermark(mark, tokens); });
  };
  EXPECT_EQ(reason({}, {}), "text: expected more tokens than the context of 4, got 0");
  EXPECT_EQ(reason({.context_width = 3}, text),
            "text: expected more tokens than the context of 3, got 3");
  EXPECT_EQ(reason({.context_width = 0}, text), "context_width: expected 1 or more, got 0");
  EXPECT_EQ(reason({.layers = 65}, text), "layers: expected 1..64, got 65");
  EXPECT_THAT(reason({.green_fraction = 1}, text), ::testing::HasSubstr("green_fraction"));
  EXPECT_THAT(reason({.green_bias = -1}, text), ::testing::HasSubstr("green_bias"));
  EXPECT_EQ(reason({.context_width = 1}, {1, -1}), "text: expected 0 or more, got -1");
  EXPECT_EQ(reason({.context_width = 1}, {-3, 1}), "text: expected 0 or more, got -3");
  const StatelessModel model;
  EXPECT_THROW(watermarked_samples(model, {}, 1, {.context_width = 0}, Stream{}), InvalidArgument);
  EXPECT_THROW(watermarked_samples(model, {9}, 1, {}, Stream{}), InvalidArgument);
}

}  // namespace
}  // namespace partita
