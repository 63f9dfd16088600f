// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/counterfactual.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/search_test_support.hpp"

namespace partita {
namespace {

using testing::message_of;
using testing::StatefulModel;
using testing::StatelessModel;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(NoiseGivenDraw, IsPlainNoiseOnceTheDrawIsAveragedOut) {
  const std::vector<double> z = {1, -0.5, 2, -kInfinity, 0};
  constexpr std::size_t kDraws = 40'000;
  const auto drawn = gumbel_max({z.data(), kDraws, 5, 0}, Stream{.seed = 1});
  std::vector<std::vector<double>> each(5);
  std::vector<double> largest;  // depends on whether they are independent
  for (std::size_t i = 0; i < kDraws; ++i) {
    const auto noise = noise_given_draw({z.data(), 1, 5}, static_cast<Token>(drawn[i]),
                                        Stream{.seed = 2, .id = i});
    std::vector<double> sums;
    for (std::size_t c = 0; c < 5; ++c) {
      each[c].push_back(noise[c]);
      sums.push_back(z[c] + noise[c]);
    }
    ASSERT_EQ(std::max_element(sums.begin(), sums.end()) - sums.begin(), drawn[i]);
    largest.push_back(*std::max_element(noise.begin(), noise.end()));
  }
  for (const auto& draws : each) {
    EXPECT_GT(ks_p_value(draws, [](double g) { return gumbel_cdf(g); }), kFalseAlarm);
  }
  EXPECT_GT(ks_p_value(largest, [](double g) { return gumbel_cdf(g, std::log(5.0)); }),
            kFalseAlarm);
}

TEST(NoiseGivenDraw, ChangesNoTokenWithoutAReason) {
  // Counterfactual stability: j replaces i only if p'_j / p_j > p'_i / p_i.
  for (std::uint64_t n = 0; n < 2000; ++n) {
    std::vector<double> z(6);
    std::vector<double> other(6);
    for (std::size_t c = 0; c < 6; ++c) {
      z[c] = Stream{.seed = 1, .id = n}.normal(c);
      other[c] = Stream{.seed = 2, .id = n}.normal(c);
    }
    const auto i = static_cast<std::size_t>(n % 6);
    const auto noise = noise_given_draw({z.data(), 1, 6}, static_cast<Token>(i), Stream{n});
    std::size_t j = 0;
    for (std::size_t c = 1; c < 6; ++c) {
      if (other[c] + noise[c] > other[j] + noise[j]) j = c;
    }
    if (j != i) {
      EXPECT_GT(other[j] - z[j], other[i] - z[i]);
    }
  }
}

TEST(Counterfactual, TheSameModelGivesTheTextBack) {
  const StatelessModel model({.vocabulary = 6});
  const SearchOptions options{.max_length = 15};
  for (const Hypothesis& text : ancestral_samples(model, {1}, 30, Stream{.seed = 3}, options)) {
    for (const Hypothesis& same : counterfactual_samples(model, {1}, text, model, {1}, 5,
                                                         Stream{.seed = 4}, options, options)) {
      EXPECT_EQ(same.tokens, text.tokens);
      EXPECT_EQ(same.finished, text.finished);
      EXPECT_NEAR(same.log_prob, text.log_prob, 1e-12);
    }
  }
}

TEST(Counterfactual, AveragedOverTextsTheLawIsTheOtherModels) {
  const StatelessModel model({.vocabulary = 3, .seed = 1});
  const StatelessModel other({.vocabulary = 3, .seed = 2});
  const SearchOptions options{.max_length = 3};
  const auto warmer = testing::with_filter(options, 1.7);
  const testing::Support support(other, warmer);
  constexpr std::size_t kTexts = 20'000;
  std::vector<double> observed(support.size());
  std::vector<double> expected;
  for (const double p : support.p) expected.push_back(kTexts * p);
  const auto texts = ancestral_samples(model, {}, kTexts, Stream{.seed = 5}, options);
  std::size_t unchanged = 0;
  for (std::size_t i = 0; i < kTexts; ++i) {
    const auto changed = counterfactual_samples(model, {}, texts[i], other, {}, 1,
                                                {Stream{.seed = 6}, i}, options, warmer)[0];
    ++observed[support.find(changed)];
    unchanged += changed.tokens == texts[i].tokens ? 1 : 0;
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  // They are no independent texts, less than half as many of which would be equal by chance.
  const testing::Support original(model, options);
  double by_chance = 0;
  for (std::size_t i = 0; i < support.size(); ++i) {
    by_chance += support.p[i] * original.p[original.find(support.leaves[i])];
  }
  EXPECT_GT(static_cast<double>(unchanged) / kTexts, 2 * by_chance);
}

TEST(Counterfactual, StatesAndThreadsChangeNothing) {
  const testing::HashLogits first{.vocabulary = 5, .seed = 1};
  const testing::HashLogits second{.vocabulary = 5, .seed = 2};
  const Hypothesis text{.tokens = {1, 2, 0}, .finished = true};
  const auto a = counterfactual_samples(StatelessModel(first), {3}, text, StatelessModel(second),
                                        {0, 1}, 50, Stream{.seed = 7}, {}, {.max_length = 12});
  const auto b =
      counterfactual_samples(StatefulModel(first), {3}, text, StatefulModel(second), {0, 1}, 50,
                             Stream{.seed = 7}, {}, {.max_length = 12, .threads = 2, .batch = 6});
  EXPECT_EQ(a, b);
}

TEST(Counterfactual, RefusesWhatItCannotUse) {
  const StatelessModel model({.vocabulary = 3});
  const StatelessModel wider({.vocabulary = 4});
  const Hypothesis text{.tokens = {1}, .finished = true};
  const auto refused = [&](const Hypothesis& observed, const SequenceModel& other,
                           const SearchOptions& options = {}) {
    return message_of<InvalidArgument>(
        [&] { counterfactual_samples(model, {}, observed, other, {}, 1, Stream{}, options); });
  };
  EXPECT_EQ(refused(text, wider), "other: a vocabulary of 4 tokens, expected 3");
  EXPECT_EQ(refused({.tokens = {7}}, model), "observed: expected 0..2 (tokens), got 7");
  const Token end = model.end_token();
  EXPECT_EQ(refused({.tokens = {end}}, model), "observed: it goes on after the end token");
  EXPECT_EQ(counterfactual_samples(model, {end}, text, model, {end}, 1, Stream{})[0].tokens,
            text.tokens);  // a prompt may hold it
  const double no[] = {0, -kInfinity, 0};
  SearchOptions never;
  never.filter.top_k = 1;
  const auto greedy = testing::next_log_probs(model, {}, never.filter);
  const Token unlikely = greedy[0] == 0 ? 1 : 0;
  EXPECT_EQ(refused({.tokens = {unlikely}}, model, never),
            "observed: the model cannot have drawn token " + std::to_string(unlikely) + " at 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              noise_given_draw({no, 1, 3}, 1, Stream{});
            }),
            "token: 1 is impossible (-inf)");
  EXPECT_THROW(noise_given_draw({no, 1, 3}, 3, Stream{}), InvalidArgument);
}

}  // namespace
}  // namespace partita
