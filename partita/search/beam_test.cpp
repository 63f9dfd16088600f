// SPDX-License-Identifier: Apache-2.0
#include "partita/search/beam.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/softmax/softmax.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

// A beam as wide as the tree is exhaustive search.
RC_GTEST_PROP(Beam, WideEnoughIsExhaustive, ()) {
  const StatelessModel model({.vocabulary = *rc::gen::inRange<std::size_t>(2, 5),
                              .seed = *rc::gen::inRange<std::uint64_t>(0, 1000)});
  const SearchOptions options{.max_length = *rc::gen::inRange<std::size_t>(1, 4)};
  std::vector<Hypothesis> leaves = Support(model, options).leaves;
  std::sort(leaves.begin(), leaves.end(),
            [](const auto& a, const auto& b) { return a.log_prob > b.log_prob; });
  const std::vector<Hypothesis> best = beam_search(model, {}, leaves.size(), options);
  RC_ASSERT(best.size() == leaves.size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    RC_ASSERT(best[i].tokens == leaves[i].tokens);
    RC_ASSERT(best[i].finished == leaves[i].finished);
    RC_ASSERT(std::abs(best[i].log_prob - leaves[i].log_prob) < 1e-9);
  }
}

// Greedy (k = 1) takes 0 first, a garden path: the best sequence starts with 1.
TEST(Beam, WidthFindsWhatGreedyMisses) {
  const CallableModel model(3, 2, [](std::span<const Token> prefix) {
    if (prefix.empty()) return std::vector<double>{std::log(0.6), std::log(0.4), kMinusInfinity};
    if (prefix[0] == 0) return std::vector<double>(3, 0.0);
    return std::vector<double>{kMinusInfinity, kMinusInfinity, 0.0};
  });
  const auto greedy = beam_search(model, {}, 1, {.max_length = 2});
  ASSERT_EQ(greedy.size(), 1U);
  EXPECT_EQ(greedy[0].tokens, (Sequence{0, 0}));  // the lowest of three equally likely ones
  EXPECT_NEAR(greedy[0].log_prob, std::log(0.2), 1e-12);
  const auto two = beam_search(model, {}, 2, {.max_length = 2});
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].tokens, (Sequence{1}));
  EXPECT_TRUE(two[0].finished);
  EXPECT_NEAR(two[0].log_prob, std::log(0.4), 1e-12);
  EXPECT_FALSE(two[1].finished);
}

// Tokens {0 .6, end .4}, then {0 .51, end .49}: finished sequences become unlikely less slowly than
// the beam's prefixes, of which there is one at a time.
TEST(Beam, KeepsWhatHasEnded) {
  const CallableModel model(2, 1, [](std::span<const Token> prefix) {
    return prefix.empty() ? std::vector<double>{std::log(0.6), std::log(0.4)}
                          : std::vector<double>{std::log(0.51), std::log(0.49)};
  });
  const auto found = beam_search(model, {}, 3, {.max_length = 8});
  ASSERT_EQ(found.size(), 3U);
  const double expected[] = {0.4, 0.6 * 0.49, 0.6 * 0.51 * 0.49};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(found[i].finished);
    EXPECT_EQ(found[i].tokens, Sequence(i, 0));
    EXPECT_NEAR(found[i].log_prob, std::log(expected[i]), 1e-12);
  }
  // By the mean log-probability of a token: (log .6 + log .49) / 2 is above log .4, and above that
  // of any longer one; by log_prob / length^2 the longest wins.
  const auto mean = beam_search(model, {}, 1, {.max_length = 8}, {.length_penalty = 1});
  EXPECT_EQ(mean[0].tokens, Sequence(1, 0));
  EXPECT_TRUE(mean[0].finished);
  const auto longest = beam_search(model, {}, 1, {.max_length = 8}, {.length_penalty = 2});
  EXPECT_EQ(longest[0].tokens, Sequence(8, 0));
  EXPECT_FALSE(longest[0].finished);
  const auto first =
      beam_search(model, {}, 1, {.max_length = 8}, {.length_penalty = 1, .early_stopping = true});
  EXPECT_TRUE(first[0].tokens.empty());
  EXPECT_TRUE(first[0].finished);
  EXPECT_THROW(beam_search(model, {}, 1, {}, {.length_penalty = std::nan("")}), InvalidArgument);
}

// Any narrower beam: the k best of the sequences that it visits, under any length penalty.
RC_GTEST_PROP(Beam, ReturnsTheBestOfWhatItVisits, ()) {
  const std::size_t vocabulary = *rc::gen::inRange<std::size_t>(2, 5);
  const StatelessModel model(
      {.vocabulary = vocabulary, .seed = *rc::gen::inRange<std::uint64_t>(0, 1000)});
  const SearchOptions options{.max_length = *rc::gen::inRange<std::size_t>(1, 5)};
  const double penalty = *rc::gen::element(-1.0, 0.0, 0.5, 1.0, 2.0);
  const auto k = *rc::gen::inRange<std::size_t>(1, 5);
  // The same beam by hand, without a stopping rule.
  std::map<Sequence, double> beam = {{{}, 0.0}};
  std::vector<std::pair<double, Hypothesis>> pool;
  for (std::size_t length = 1; length <= options.max_length; ++length) {
    std::map<Sequence, double> below;
    std::vector<double> z(vocabulary);
    for (const auto& [prefix, log_prob] : beam) {
      model.next_logits({&prefix, 1}, nullptr, {z.data(), 1, vocabulary});
      const Normalizer normalizer = normalizers({z.data(), 1, vocabulary}).front();
      for (std::size_t t = 0; t < vocabulary; ++t) {
        const double next = log_prob + normalizer.log_prob(z[t]);
        const bool is_end = t + 1 == vocabulary;
        Sequence tokens = prefix;
        if (!is_end) tokens.push_back(static_cast<Token>(t));
        if (is_end || length == options.max_length) {
          pool.push_back(
              {next / std::pow(static_cast<double>(length), penalty), {tokens, is_end, next}});
        } else {
          below[tokens] = next;
        }
      }
    }
    std::vector<std::pair<Sequence, double>> ranked(below.begin(), below.end());
    std::sort(ranked.begin(), ranked.end(),
              [](const auto& a, const auto& b) { return a.second > b.second; });
    ranked.resize(std::min(k, ranked.size()));
    beam = std::map<Sequence, double>(ranked.begin(), ranked.end());
  }
  std::sort(pool.begin(), pool.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  const auto found = beam_search(model, {}, k, options, {.length_penalty = penalty});
  RC_ASSERT(found.size() == std::min(k, pool.size()));
  for (std::size_t i = 0; i < found.size(); ++i) {
    RC_ASSERT(found[i].tokens == pool[i].second.tokens);
    RC_ASSERT(found[i].finished == pool[i].second.finished);
    RC_ASSERT(std::abs(found[i].log_prob - pool[i].second.log_prob) < 1e-9);
  }
}

TEST(Beam, FewerSequencesThanAsked) {
  const CallableModel model(3, 2, [](auto) { return std::vector<double>{0, kMinusInfinity, 0}; });
  EXPECT_EQ(beam_search(model, {}, 100, {.max_length = 3}).size(), 4U);
}

// Four tokens and an end, none of them twice: 1 + 4 + 4 * 3 + ... = 65 sequences.
TEST(Beam, PenaltiesSeeThePrefix) {
  const CallableModel model(5, 4, [](auto) { return std::vector<double>{3, 2, 1, 0, -1}; });
  SearchOptions options{.max_length = 9};
  options.filter.no_repeat_ngram = 1;
  const auto all = beam_search(model, {}, 1000, options);
  EXPECT_EQ(all.size(), 65U);
  for (const Hypothesis& sequence : all) {
    EXPECT_EQ(std::set<Token>(sequence.tokens.begin(), sequence.tokens.end()).size(),
              sequence.tokens.size());
    EXPECT_TRUE(sequence.finished);
  }
  // A repeated token falls from a logit of 3 to 3 / 2 - 1, below the next one's 2.
  options = {.max_length = 2};
  options.filter.repeat_penalty = 2;
  options.filter.presence_penalty = 1;
  EXPECT_EQ(beam_search(model, {}, 1, options)[0].tokens, (Sequence{0, 1}));
}

TEST(Beam, RefusesRandomAndStatefulSteps) {
  const StatelessModel model;
  SearchOptions options;
  options.filter.xtc_probability = 0.5;
  EXPECT_EQ(message_of<InvalidArgument>([&] { beam_search(model, {}, 1, options); }),
            "filter: only independent samples can use xtc, which is random or has a state");
}

TEST(Beam, Refusals) {
  const StatelessModel model;
  EXPECT_THROW(beam_search(model, {}, 0), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, {.max_length = 0}), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, with_filter({}, 1, 0, 0)), InvalidArgument);
}

}  // namespace
}  // namespace partita
