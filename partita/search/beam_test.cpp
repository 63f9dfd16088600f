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

// One step of two groups: the first takes token 0, which then costs the second as much as asked.
TEST(Beam, GroupsPayForWhatEarlierOnesTook) {
  const CallableModel model(2, -1, [](auto) {
    return std::vector<double>{std::log(0.6), std::log(0.4)};
  });
  const auto tokens = [&](double penalty) {
    std::vector<Sequence> out;
    for (const Hypothesis& h : beam_search(model, {}, 2, {.max_length = 1},
                                           {.num_beam_groups = 2, .diversity_penalty = penalty})) {
      EXPECT_NEAR(h.log_prob, std::log(h.tokens[0] == 0 ? 0.6 : 0.4), 1e-12);
      out.push_back(h.tokens);
    }
    return out;
  };
  EXPECT_EQ(tokens(0.4), (std::vector<Sequence>{{0}, {0}}));  // log(.6 / .4) = .405
  EXPECT_EQ(tokens(0.41), (std::vector<Sequence>{{0}, {1}}));
  EXPECT_EQ(tokens(9), (std::vector<Sequence>{{0}, {1}}));
}

// Groups of any number and width: as the paper's algorithm 1 has them, one after the other at every
// step, each a beam under logits from which lambda is taken for each earlier choice.
RC_GTEST_PROP(Beam, GroupsAreBeamsUnderPenalties, ()) {
  const std::size_t vocabulary = *rc::gen::inRange<std::size_t>(2, 6);
  const StatelessModel model(
      {.vocabulary = vocabulary, .seed = *rc::gen::inRange<std::uint64_t>(0, 1000)});
  const SearchOptions options{.max_length = *rc::gen::inRange<std::size_t>(1, 6)};
  const auto groups = *rc::gen::inRange<std::size_t>(2, 5);
  const auto width = *rc::gen::inRange<std::size_t>(1, 4);
  const double lambda = *rc::gen::element(0.1, 0.7, 3.0);
  struct Scored {
    double score;
    Hypothesis hypothesis;
    bool operator<(const Scored& other) const { return score > other.score; }
  };
  std::vector<std::vector<Scored>> beams(groups, {{0, {}}});
  std::vector<std::vector<Scored>> pools(groups);
  for (std::size_t length = 1; length <= options.max_length; ++length) {
    std::vector<double> chosen(vocabulary);
    for (std::size_t group = 0; group < groups; ++group) {
      std::vector<Scored> open;
      std::vector<Scored>& pool = pools[group];
      for (const auto& [score, prefix] : beams[group]) {
        const std::vector<double> phi = next_log_probs(model, prefix.tokens);
        for (std::size_t t = 0; t < vocabulary; ++t) {
          Scored child{score + phi[t] - lambda * chosen[t],
                       {prefix.tokens, t + 1 == vocabulary, prefix.log_prob + phi[t]}};
          if (!child.hypothesis.finished) {
            child.hypothesis.tokens.push_back(static_cast<Token>(t));
            open.push_back(child);
          }
          if (child.hypothesis.finished || length == options.max_length) pool.push_back(child);
        }
      }
      std::sort(open.begin(), open.end());
      std::sort(pool.begin(), pool.end());
      open.resize(std::min(width, open.size()));
      pool.resize(std::min(width, pool.size()));
      for (const Scored& kept : open)
        ++chosen[static_cast<std::size_t>(kept.hypothesis.tokens.back())];
      for (const Scored& ended : pool) {
        if (ended.hypothesis.finished && ended.hypothesis.tokens.size() + 1 == length) {
          ++chosen.back();
        }
      }
      // What cannot enter the pool any more is dropped, and its continuations count no more.
      std::erase_if(open, [&](const Scored& kept) {
        return pool.size() == width && kept.score <= pool.back().score;
      });
      beams[group] = open;
    }
  }
  std::vector<Scored> all;
  for (const auto& pool : pools) all.insert(all.end(), pool.begin(), pool.end());
  std::stable_sort(all.begin(), all.end());
  const auto found = beam_search(model, {}, groups * width, options,
                                 {.num_beam_groups = groups, .diversity_penalty = lambda});
  RC_ASSERT(found.size() == all.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    RC_ASSERT(found[i].tokens == all[i].hypothesis.tokens);
    RC_ASSERT(found[i].finished == all[i].hypothesis.finished);
    RC_ASSERT(std::abs(found[i].log_prob - all[i].hypothesis.log_prob) < 1e-9);
  }
}

TEST(Beam, GroupsOfSeveralPrompts) {
  const StatelessModel model({.vocabulary = 5});
  const std::vector<Sequence> prompts = {{}, {1, 2}, {3}};
  const BeamOptions diverse{.num_beam_groups = 3, .diversity_penalty = 1};
  const auto together = beam_search(model, prompts, 6, {.max_length = 5}, diverse);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(together[i], beam_search(model, prompts[i], 6, {.max_length = 5}, diverse));
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

// A penalty leaves the first token of one prompt as it is, and none of the other's: what they are
// computed in must not depend on that.
TEST(Beam, PenaltiesOfOnePromptLeaveAnotherAlone) {
  const StatelessModel model({.vocabulary = 50, .dtype = DType::f32});
  SearchOptions penalized{.max_length = 4};
  penalized.filter.repeat_penalty = 1.3;
  SearchOptions no_repeat{.max_length = 4};
  no_repeat.filter.no_repeat_ngram = 3;
  SearchOptions dry{.max_length = 4};
  dry.filter.dry_multiplier = 0.8;
  for (const SearchOptions& options : {penalized, no_repeat, dry}) {
    for (const Sequence& other : {Sequence{1}, Sequence{1, 2}, Sequence{1, 2, 1, 2, 1}}) {
      const auto alone = beam_search(model, {}, 5, options);
      EXPECT_EQ(beam_search(model, std::vector<Sequence>{{}, other}, 5, options)[0], alone);
    }
  }
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
  const auto message = [&](const BeamOptions& options) {
    return message_of<InvalidArgument>([&] { beam_search(model, {}, 5, {}, options); });
  };
  EXPECT_EQ(message({.num_beam_groups = 2, .diversity_penalty = 1}),
            "num_beam_groups: expected a divisor of k = 5, got 2");
  EXPECT_EQ(message({.num_beam_groups = 6, .diversity_penalty = 1}),
            "num_beam_groups: expected 1..5 (the width of the beam), got 6");
  EXPECT_EQ(message({.num_beam_groups = 5}),
            "diversity_penalty: expected a number above 0: without it, all groups are the same");
  EXPECT_EQ(message({.diversity_penalty = 1}),
            "diversity_penalty: needs num_beam_groups of 2 or more");
  EXPECT_EQ(message({.num_beam_groups = 5, .diversity_penalty = -1}),
            "diversity_penalty: expected a number in [0, inf), got -1");
}

}  // namespace
}  // namespace partita
