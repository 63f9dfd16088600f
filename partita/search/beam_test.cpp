#include "partita/search/beam.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

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
  EXPECT_EQ(greedy[0].tokens, (Sequence{0, 0}));  // of three equally likely ones, the lowest
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

TEST(Beam, Refusals) {
  const StatelessModel model;
  EXPECT_THROW(beam_search(model, {}, 0), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, {.max_length = 0}), InvalidArgument);
  EXPECT_THROW(beam_search(model, {}, 1, with_filter({}, 1, 0, 0)), InvalidArgument);
}

}  // namespace
}  // namespace partita
