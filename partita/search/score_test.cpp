// SPDX-License-Identifier: Apache-2.0
#include "partita/search/score.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

double sum_of(const std::vector<TokenScore>& scores) {
  double sum = 0;
  for (const TokenScore& score : scores) sum += score.log_prob;
  return sum;
}

TEST(Score, SumsToTheLogProbOfTheSequence) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 4};
  std::vector<Sequence> sequences;
  std::vector<double> expected;
  for (const Hypothesis& leaf : Support(model, options).leaves) {
    if (!leaf.finished) continue;
    sequences.push_back(leaf.tokens);
    expected.push_back(leaf.log_prob);
  }
  ASSERT_EQ(sequences.size(), 1U + 3 + 9 + 27);
  const auto scores = score_sequences(model, sequences);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(scores[i].size(), sequences[i].size() + 1);
    EXPECT_NEAR(sum_of(scores[i]), expected[i], 1e-12);
  }
}

TEST(Score, ConfidenceAndCorrectness) {
  const CallableModel model(3, 2, [](std::span<const Token> prefix) {
    return prefix.empty() ? std::vector<double>{std::log(0.7), std::log(0.2), std::log(0.1)}
                          : std::vector<double>{0, 0, kMinusInfinity};
  });
  const auto scores = score_sequences(model, std::vector<Sequence>{{1, 0}}).front();
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_NEAR(scores[0].log_prob, std::log(0.2), 1e-12);
  EXPECT_NEAR(scores[0].confidence, 0.7, 1e-12);
  EXPECT_FALSE(scores[0].correct);
  EXPECT_NEAR(scores[1].confidence, 0.5, 1e-12);
  EXPECT_TRUE(scores[1].correct);  // the lower of two that tie
  EXPECT_EQ(scores[2].log_prob, kMinusInfinity);
  EXPECT_FALSE(scores[2].correct);
}

// However the sequences are batched, whether the model keeps a state or not, in any number of
// threads.
TEST(Score, StateBatchAndThreadsChangeNothing) {
  const HashLogits logits{.vocabulary = 6};
  std::vector<Sequence> sequences;
  for (const auto& h :
       ancestral_samples(StatelessModel(logits), {}, 60, Stream{5}, {.max_length = 12})) {
    sequences.push_back(h.tokens);
  }
  const auto plain = score_sequences(StatelessModel(logits), sequences);
  for (const std::size_t batch : {0, 1, 7}) {
    EXPECT_EQ(score_sequences(StatefulModel(logits), sequences, {.threads = 3, .batch = batch}),
              plain);
  }
}

// The logits shown for each token are those behind its score.
TEST(Score, ShowsTheLogits) {
  const StatelessModel model({.vocabulary = 5});
  const std::vector<Sequence> sequences{{0, 1}, {}, {3, 2, 2}};
  std::vector<std::vector<double>> seen(sequences.size());
  const auto see = [&](std::size_t sequence, std::size_t position, Rows logits) {
    ASSERT_EQ(logits.columns(), 5U);
    ASSERT_EQ(position, seen[sequence].size());
    const Sequence& tokens = sequences[sequence];
    const std::size_t token =
        position < tokens.size() ? static_cast<std::size_t>(tokens[position]) : 4;
    seen[sequence].push_back(
        normalizers(logits).front().log_prob(logits.row_data<double>(0)[token]));
  };
  const auto scores = score_sequences(model, sequences, {.threads = 2, .batch = 1}, see);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    ASSERT_EQ(seen[i].size(), scores[i].size());
    for (std::size_t t = 0; t < seen[i].size(); ++t) EXPECT_EQ(seen[i][t], scores[i][t].log_prob);
  }
}

TEST(Score, WithoutEndToken) {
  const CallableModel model(2, -1, [](auto) { return std::vector<double>{0, 0}; });
  const auto scores = score_sequences(model, std::vector<Sequence>{{}, {0, 1}});
  EXPECT_TRUE(scores[0].empty());
  EXPECT_EQ(scores[1].size(), 2U);
}

TEST(Score, Refusals) {
  const StatelessModel model({.vocabulary = 3});
  const auto error = [&](const Sequence& sequence) {
    return message_of<InvalidArgument>([&] {
      score_sequences(model, std::vector<Sequence>{{}, sequence});
    });
  };
  EXPECT_EQ(error({0, 3}), "sequences: sequence 1: 3 is the end token, or not in 0..2");
  EXPECT_EQ(error({2}), "sequences: sequence 1: 2 is the end token, or not in 0..2");
  EXPECT_EQ(error({-1}), "sequences: sequence 1: -1 is the end token, or not in 0..2");
}

}  // namespace
}  // namespace partita
