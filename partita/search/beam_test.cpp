#include "partita/search/beam.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "partita/base/error.hpp"
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
  EXPECT_THROW(beam_search(model, {}, 1, options), InvalidArgument);
}

TEST(Beam, Refusals) {
  const StatelessModel model;
  EXPECT_THROW(beam_search(model, {}, 0), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, {.max_length = 0}), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, with_filter({}, 1, 0, 0)), InvalidArgument);
}

}  // namespace
}  // namespace partita
