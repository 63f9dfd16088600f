// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/policy.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/seqgan/internal/draw.hpp"
#include "partita/learn/seqgan/seqgan.hpp"
#include "partita/learn/seqgan/test_support.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::seqgan {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;

TEST(TokenPolicy, SamplesFollowItsProbabilities) {
  for (const double temperature : {1.0, 0.6}) {
    const auto policy = tiny(1, {.start_token = 2, .temperature = temperature});
    const Tensor probability = policy->log_prob(all_sequences()).sum(-1).exp();
    EXPECT_NEAR(probability.sum().item<double>(), 1, 1e-5);
    constexpr std::int64_t kDrawn = 20'000;
    const Tensor drawn = sample(*policy, kDrawn, kLength, {.seed = 1});
    const Tensor counts = at::bincount(index_of(drawn), {}, 81);
    EXPECT_GT(chi_square_p_value(numbers(counts), numbers(probability * kDrawn)), kFalseAlarm);
    const auto other = tiny(1, {.start_token = 2, .temperature = 0.8 * temperature});
    const Tensor wrong = other->log_prob(all_sequences()).sum(-1).exp();
    EXPECT_LT(chi_square_p_value(numbers(counts), numbers(wrong * kDrawn)), kFalseAlarm);
  }
}

/// What a policy on another device does.
TEST(TokenPolicy, InversionDrawsFromTheSoftmax) {
  const Tensor row = at::tensor({0.3, -INFINITY, 1.5, -1.0, 0.0, -INFINITY}, at::kFloat);
  constexpr std::int64_t kDrawn = 50'000;
  const auto streams = element_streams({.seed = 3}, 0, kDrawn);
  const Tensor drawn = draw_by_inversion(row.expand({kDrawn, 6}), streams);
  ASSERT_EQ(drawn.scalar_type(), at::kLong);
  const Tensor counts = at::bincount(drawn, {}, 6);
  EXPECT_EQ(counts[1].item<std::int64_t>() + counts[5].item<std::int64_t>(), 0);
  const Tensor possible = at::tensor({0, 2, 3, 4}, at::kLong);
  const auto p_value = [&](const Tensor& logits) {
    const Tensor expected = kDrawn * logits.softmax(-1);
    return chi_square_p_value(numbers(counts.index_select(0, possible)),
                              numbers(expected.index_select(0, possible)));
  };
  EXPECT_GT(p_value(row), kFalseAlarm);
  EXPECT_LT(p_value(row / 1.1), kFalseAlarm);
  const std::vector<Stream> one = {streams[7]};
  EXPECT_TRUE(at::equal(draw_by_inversion(row.unsqueeze(0), one), drawn.narrow(0, 7, 1)));
}

TEST(TokenPolicy, NothingFollowsAnEnd) {
  const auto policy = tiny(1, {.start_token = 0, .end_token = 0});
  const Tensor y = sample(*policy, 500, kLength, {.seed = 2});
  const Tensor ended = (y == 0).to(at::kLong).cumsum(1) - (y == 0).to(at::kLong) > 0;
  EXPECT_GT(ended.sum().item<std::int64_t>(), 100);
  EXPECT_TRUE((y.masked_select(ended) == 0).all().item<bool>());
  EXPECT_TRUE((policy->log_prob(y).masked_select(ended) == 0).all().item<bool>());
  EXPECT_TRUE((policy->log_prob(y).masked_select(ended.logical_not()) < 0).all().item<bool>());
  // The probabilities of what can be drawn sum to 1.
  const Tensor all = all_sequences();
  const Tensor ends = (all == 0).to(at::kLong);
  const Tensor possible = ((ends.cumsum(1) - ends > 0) & (all != 0)).any(1).logical_not();
  EXPECT_NEAR(policy->log_prob(all).sum(-1).exp().masked_select(possible).sum().item<double>(), 1,
              1e-5);
  // NLL is a mean over what is not padding.
  const double tokens = ended.logical_not().sum().item<double>();
  EXPECT_NEAR(nll_of(*policy, y), -policy->log_prob(y).sum().item<double>() / tokens, 1e-5);
}

TEST(TokenPolicy, ADrawIsAFunctionOfItsPlace) {
  const auto policy = tiny();
  const Tensor many = sample(*policy, 300, kLength, {.seed = 3, .id = 5});
  EXPECT_TRUE(at::equal(sample(*policy, 7, kLength, {.seed = 3, .id = 5}), many.slice(0, 0, 7)));
  EXPECT_TRUE(at::equal(sample(*policy, 300, 2, {.seed = 3, .id = 5}), many.slice(1, 0, 2)));
  EXPECT_FALSE(at::equal(sample(*policy, 300, kLength, {.seed = 3, .id = 6}), many));
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  EXPECT_TRUE(at::equal(sample(*policy, 300, kLength, {.seed = 3, .id = 5}), many));
  at::set_num_threads(threads);
}

TEST(ScheduledSampling, ReadsTheTrueTokenOrAnOwnOne) {
  const auto policy = tiny();
  const Tensor real = at::ones({4000, kLength}, at::kLong);
  const Tensor truth = policy->inputs_of(real);
  EXPECT_TRUE(at::equal(scheduled_inputs(*policy, real, 1, {.seed = 4}), truth));
  EXPECT_TRUE(at::equal(policy->log_prob(real, truth), policy->log_prob(real)));
  // Free-running, it reads what it would have drawn.
  const Tensor own = scheduled_inputs(*policy, real, 0, {.seed = 4}).slice(1, 1);
  const Tensor all = all_sequences();
  const Tensor of_three =
      policy->log_prob(all).slice(1, 0, 3).sum(-1).exp().view({27, 3}).select(1, 0);
  const Tensor at = (own * at::tensor({9, 3, 1}, at::kLong)).sum(-1);
  EXPECT_GT(chi_square_p_value(numbers(at::bincount(at, {}, 27)), numbers(of_three * 4000)),
            kFalseAlarm);
  // In between, the first token it may choose is its own with probability 1 - teacher.
  const Tensor mixed = scheduled_inputs(*policy, real, 0.7, {.seed = 4}).select(1, 1);
  const double p1 = policy->log_prob(all).select(1, 0).exp()[40].item<double>();  // 1111
  const double expected = 0.7 + 0.3 * p1;
  const double share = (mixed == 1).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, expected, kFiveSigma * std::sqrt(expected * (1 - expected) / 4000));
  EXPECT_THROW(scheduled_inputs(*policy, real, 1.5, {}), InvalidArgument);
}

TEST(GaussianPolicy, DrawsWhatItsDensitySays) {
  const GaussianPolicy policy({.features = 2, .hidden = 5}, Stream{.seed = 11});
  constexpr std::int64_t kDrawn = 20'000;
  const Tensor y = sample(policy, kDrawn, 3, {.seed = 1});
  ASSERT_THAT(y.sizes(), ElementsAre(kDrawn, 3, 2));
  EXPECT_TRUE(at::equal(sample(policy, 5, 3, {.seed = 1}), y.slice(0, 0, 5)));
  // Read one by one, each element has the density of next(), and its noise is standard normal.
  SequencePolicy::State state = policy.start(kDrawn);
  for (std::int64_t t = 0; t < 3; ++t) {
    const auto normal = policy.next(state);
    const Tensor noise = (y.select(1, t) - normal.loc()) / normal.scale();
    EXPECT_GT(ks_p_value(numbers(noise), [](double x) { return std::erfc(-x / std::sqrt(2)) / 2; }),
              kFalseAlarm);
    EXPECT_TRUE(at::allclose(policy.log_prob(y).select(1, t),
                             normal.log_prob(y.select(1, t)).sum(-1), 1e-4, 1e-5));
    policy.read(y.select(1, t), state);
  }
}

TEST(TokenPolicy, RefusesWhatCannotBe) {
  EXPECT_THROW(tiny(1, {.start_token = 3}), InvalidArgument);
  EXPECT_THROW(tiny(1, {.temperature = 0}), InvalidArgument);
}

}  // namespace
}  // namespace partita::seqgan
