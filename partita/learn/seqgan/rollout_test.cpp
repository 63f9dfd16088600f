// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/rollout.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/seqgan/test_support.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::seqgan {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;

/// E[reward | y_1 ... y_t] under the policy.
std::vector<double> exact_values(const TokenPolicy& policy, const Tensor& sequence) {
  const Tensor all = all_sequences();
  const Tensor log_prob = policy.log_prob(all).to(at::kDouble);
  std::vector<double> q;
  for (std::int64_t t = 1; t <= kLength; ++t) {
    const Tensor same = (all.slice(1, 0, t) == sequence.slice(0, 0, t)).all(1).to(at::kDouble);
    const Tensor p = log_prob.slice(1, t).sum(-1).exp() * same;  // probability of what follows
    EXPECT_NEAR(p.sum().item<double>(), 1, 1e-5);
    q.push_back((p * reward(all)).sum().item<double>());
  }
  return q;
}

TEST(RollOut, QIsTheEnumeratedExpectation) {
  const auto policy = tiny();
  const auto another = tiny(2);
  const Tensor y = at::tensor({0, 2, 1, 1, 2, 2, 0, 1}, at::kLong).view({2, kLength});
  constexpr std::int64_t kRollouts = 8000;
  const Tensor q = action_values(*policy, y, reward, kRollouts, {.seed = 5});
  ASSERT_THAT(q.sizes(), ElementsAre(2, kLength));
  const Tensor completed = roll_out(*policy, y, kRollouts, {.seed = 5});
  ASSERT_THAT(completed.sizes(), ElementsAre(kLength - 1, 2, kRollouts, kLength));
  int told_apart = 0;
  for (std::int64_t b = 0; b < 2; ++b) {
    const std::vector<double> exact = exact_values(*policy, y[b]);
    const std::vector<double> wrong = exact_values(*another, y[b]);
    for (std::int64_t t = 1; t < kLength; ++t) {
      const Tensor of_prefix = completed[t - 1][b];
      EXPECT_TRUE((of_prefix.slice(1, 0, t) == y[b].slice(0, 0, t)).all().item<bool>());
      const auto i = static_cast<std::size_t>(t - 1);
      const double error =
          reward(of_prefix).std().item<double>() / std::sqrt(static_cast<double>(kRollouts));
      EXPECT_NEAR(q[b][t - 1].item<double>(), exact[i], kFiveSigma * error) << b << ' ' << t;
      if (std::abs(wrong[i] - exact[i]) > 2 * kFiveSigma * error) ++told_apart;
    }
    EXPECT_FLOAT_EQ(q[b][kLength - 1].item<float>(), reward(y)[b].item<float>());
  }
  EXPECT_GE(told_apart, 3);  // another policy's Q would fail
}

TEST(RollOut, AllAtOnceIsOneByOne) {
  const auto policy = tiny();
  const Tensor y = sample(*policy, 6, kLength, {.seed = 6});
  const Tensor together = roll_out(*policy, y, 5, {.seed = 6});
  // A smaller batch has the same completions.
  EXPECT_TRUE(
      at::equal(roll_out(*policy, y.slice(0, 0, 2), 5, {.seed = 6}), together.slice(1, 0, 2)));
  // And the distribution is that of a plain loop: read a prefix afresh, draw the rest.
  constexpr std::int64_t kRollouts = 6000;
  const Tensor batched = roll_out(*policy, y.slice(0, 0, 1), kRollouts, {.seed = 6});
  for (std::int64_t t = 1; t < kLength; ++t) {
    SequencePolicy::State state = policy->start(kRollouts);
    std::vector<Tensor> elements;
    for (std::int64_t s = 0; s < kLength; ++s) {
      elements.push_back(s < t ? y[0][s].expand({kRollouts})
                               : policy->draw(state, element_streams({.seed = 60}, s, kRollouts)));
      policy->read(elements.back(), state);
    }
    const auto counts = [](const Tensor& sequences) {
      return at::bincount(index_of(sequences), {}, 81).to(at::kDouble);
    };
    const Tensor a = counts(batched[t - 1][0]);
    const Tensor b = counts(at::stack(elements, 1));
    // Two samples of one size: sum of (a - b)^2 / (a + b).
    const Tensor seen = (a + b) > 10;
    const double statistic = ((a - b).square() / (a + b)).masked_select(seen).sum().item<double>();
    const double cells = seen.sum().item<double>();
    EXPECT_GT(gamma_q((cells - 1) / 2, statistic / 2), kFalseAlarm) << t;
  }
}

/// The estimates of many batches against sum p(y) R(y) grad log p(y).
void expect_unbiased(const SequencePolicy& generator, const Reward& of, const Tensor& objective,
                     std::int64_t length, int batches) {
  const std::vector<Tensor> parameters = generator.parameters();
  const auto exact = torch::autograd::grad({objective}, parameters, {}, c10::nullopt, false, true);
  std::vector<std::vector<Tensor>> estimates(parameters.size());
  for (int i = 0; i < batches; ++i) {
    const auto [surrogate, value] = rollout_policy_gradient(
        generator, generator, of, {.batch = 16, .length = length, .rollouts = 2},
        {.seed = 9, .id = static_cast<std::uint64_t>(i)});
    const auto gradient = torch::autograd::grad({surrogate}, parameters);
    for (std::size_t p = 0; p < parameters.size(); ++p) estimates[p].push_back(gradient[p]);
  }
  double largest = 0;
  double widest = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const Tensor all = at::stack(estimates[p]).to(at::kDouble);
    // Over some hundred entries at once: 6 sigma keeps the false alarm under 1e-6.
    const Tensor interval = 6 * all.std(0) / std::sqrt(batches) + 1e-6;
    EXPECT_TRUE(((all.mean(0) - exact[p]).abs() <= interval).all().item<bool>())
        << p << '\n'
        << all.mean(0) << "\nexact\n"
        << exact[p];
    largest = std::max(largest, exact[p].abs().max().item<double>());
    widest = std::max(widest, interval.max().item<double>());
  }
  EXPECT_LT(widest, 0.35 * largest);
}

TEST(RolloutPolicyGradient, IsTheEnumeratedGradient) {
  const auto policy = tiny();
  const Tensor all = all_sequences();
  const Tensor objective = (policy->log_prob(all).sum(-1).exp() * reward(all)).sum();
  expect_unbiased(*policy, reward, objective, kLength, 1500);
}

/// Without a baseline the surrogate is the mean over sequences of sum_t Q_t log p(y_t | before).
TEST(RolloutPolicyGradient, HasABaselineIfAsked) {
  const auto policy = tiny();
  const Stream stream{.seed = 9};
  const RolloutOptions options{.batch = 16, .length = kLength, .rollouts = 2, .baseline = false};
  const auto plain = rollout_policy_gradient(*policy, *policy, reward, options, stream);
  const Tensor y = sample(*policy, 16, kLength, stream.child(0));
  const Tensor q = action_values(*policy, y, reward, 2, stream.child(1));
  const double by_hand = (q * policy->log_prob(y)).sum(1).mean().item<double>();
  EXPECT_NEAR(plain.surrogate.item<double>(), by_hand, 1e-5);
  const auto with = rollout_policy_gradient(
      *policy, *policy, reward, {.batch = 16, .length = kLength, .rollouts = 2}, stream);
  EXPECT_GT(std::abs(with.surrogate.item<double>() - by_hand), 1e-3);
}

TEST(RolloutPolicyGradient, OfAGaussiansParametersIsWithoutBias) {
  const GaussianPolicy policy({.hidden = 3}, Stream{.seed = 10});
  const auto of = [](const Tensor& y) {  // [R, 2, 1]
    return (y.select(1, 0) * 1.5 - y.select(1, 1)).squeeze(-1).sin() +
           0.3 * y.select(1, 1).squeeze(-1);
  };
  // E[R] over a grid of two standard normals, by the trapezoid rule, differentiable in the policy.
  constexpr std::int64_t kPoints = 161;
  const Tensor x = at::linspace(-8, 8, kPoints);
  const Tensor w = (-x.square() / 2).exp() * (16.0 / (kPoints - 1)) / std::sqrt(2 * M_PI);
  SequencePolicy::State state = policy.start(kPoints);
  const auto first = policy.next(state);
  const Tensor y1 = first.loc() + first.scale() * x.unsqueeze(-1);
  policy.read(y1, state);
  const auto second = policy.next(state);
  const Tensor y2 = second.loc() + second.scale() * x;  // [first, second]
  const Tensor y = at::stack({y1.expand({kPoints, kPoints}), y2}, -1).view({-1, 2, 1});
  const Tensor objective = (at::outer(w, w).flatten() * of(y)).sum();
  EXPECT_NEAR(at::outer(w, w).sum().item<double>(), 1, 1e-5);
  expect_unbiased(policy, of, objective, 2, 1500);
}

TEST(RollOut, RefusesWhatCannotBe) {
  EXPECT_THROW(roll_out(*tiny(), at::zeros({2, 4}, at::kLong), 0, {}), InvalidArgument);
  EXPECT_THROW(roll_out(*tiny(), at::zeros({2, 1}, at::kLong), 1, {}), InvalidArgument);
}

}  // namespace
}  // namespace partita::seqgan
