// SPDX-License-Identifier: Apache-2.0
// By enumeration of a policy's actions: no test here draws.
#include "partita/learn/estimators/policy_ratio.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using testing::numbers;

/// A policy of four actions, and a reference.
struct Policies {
  Tensor logits = numbers({0.3, -1.2, 0.8, 0.1}).set_requires_grad(true);
  Tensor log_p = logits.log_softmax(-1);
  Tensor p = log_p.detach().exp();
  Tensor reference = numbers({-0.4, 0.2, 0.5, -0.1}).log_softmax(-1);
};

Tensor gradient(const Tensor& loss, const Tensor& by) {
  return torch::autograd::grad({loss}, {by}, {}, /*retain_graph=*/true)[0];
}

TEST(GroupAdvantages, AreUnbiasedByLeavingOneOut) {
  const Policies x;
  const Tensor reward = numbers({1, -0.5, 2, 0.3});
  const Tensor exact = gradient((x.log_p.exp() * reward).sum(), x.logits);
  Tensor mean = at::zeros({4}, at::kDouble);
  for (std::int64_t i = 0; i < 64; ++i) {  // all triples of actions
    const Tensor actions = at::tensor({i % 4, i / 4 % 4, i / 16}, at::kLong);
    const Tensor advantage = group_advantages(reward.index_select(0, actions));
    const Tensor objective = (advantage * x.log_p.index_select(0, actions)).mean();
    mean += x.p.index_select(0, actions).prod() * gradient(objective, x.logits);
  }
  EXPECT_TRUE(at::allclose(mean, exact, 1e-12, 1e-14));
}

TEST(GroupAdvantages, StandardizeEachGroup) {
  const Tensor found =
      group_advantages(numbers({1, 2, 6, 5, 5, 5}).view({2, 3}), GroupBaseline::standardized);
  const double deviation = std::sqrt(7.0);
  EXPECT_TRUE(at::allclose(
      found, numbers({-2 / deviation, -1 / deviation, 3 / deviation, 0, 0, 0}).view({2, 3})));
  EXPECT_THROW(group_advantages(numbers({1})), InvalidArgument);
}

TEST(ClippedRatio, IsTheLesserOfBothAndLetsGoOutside) {
  const Tensor ratio = numbers({0.5, 0.5, 1, 1.1, 1.5, 1.5});
  const Tensor advantage = numbers({1, -1, 2, 2, 1, -1});
  const Tensor log_prob = ratio.log().set_requires_grad(true);
  const Tensor objective = clipped_ratio_objective(log_prob, at::zeros_like(ratio), advantage,
                                                   {.low = 0.2, .high = 0.3});
  EXPECT_TRUE(at::allclose(objective, numbers({0.5, -0.8, 2, 2.2, 1.3, -1.5})));
  EXPECT_TRUE(
      at::allclose(gradient(objective.sum(), log_prob), numbers({0.5, 0, 2, 2.2, 0, -1.5})));
  EXPECT_THROW(clipped_ratio_objective(log_prob, numbers({1}), advantage), InvalidArgument);
  EXPECT_THROW(clipped_ratio_objective(log_prob, log_prob, advantage, {.low = 1}), InvalidArgument);
}

TEST(TruncatedRatios, AreCutAtTheirMost) {
  const Tensor log_prob = numbers({0.5, 1, 6}).log().set_requires_grad(true);
  const Tensor found = truncated_ratios(log_prob, at::zeros({3}, at::kDouble), 1.5);
  EXPECT_TRUE(at::allclose(found, numbers({0.5, 1, 1.5})));
  EXPECT_FALSE(found.requires_grad());
  EXPECT_THROW(truncated_ratios(log_prob, log_prob, 0), InvalidArgument);
}

TEST(ReverseKl, HasTheDivergencesGradientAndValue) {
  const Policies x;
  const Tensor divergence = (x.log_p.exp() * (x.log_p - x.reference)).sum();
  const Tensor exact = gradient(divergence, x.logits);
  const auto expected = [&](const Tensor& each) { return (x.p * each).sum(); };
  for (const KlValue value : {KlValue::k1, KlValue::k2, KlValue::k3}) {
    const auto kl = reverse_kl(x.log_p, x.reference, value);
    EXPECT_TRUE(at::allclose(gradient(expected(kl.surrogate), x.logits), exact, 1e-12, 1e-14));
    EXPECT_FALSE(kl.value.requires_grad());
    if (value == KlValue::k2) continue;  // biased
    EXPECT_NEAR(expected(kl.value).item<double>(), divergence.item<double>(), 1e-14);
  }
  EXPECT_NEAR(reverse_kl(numbers({std::log(0.5)}), numbers({std::log(0.25)}), KlValue::k2)
                  .value.item<double>(),
              std::log(2.0) * std::log(2.0) / 2, 1e-15);
  // None below 0, and digits kept where the policies are all but equal.
  const Tensor near = reverse_kl(numbers({-1, -1}), numbers({-1 - 1e-9, -1 + 1e-9})).value;
  EXPECT_TRUE((near >= 0).all().item<bool>());
  EXPECT_THROW(reverse_kl(x.log_p, numbers({1})), InvalidArgument);
}

// Each value as a loss: what autograd makes of it is not the divergence's gradient, but k2's.
TEST(ReverseKl, GradientsOfTheValuesThemselves) {
  const Policies x;
  const Tensor log_r = x.log_p - x.reference;
  const auto mean_gradient = [&](const Tensor& loss) {
    return gradient((x.p * loss).sum(), x.logits);
  };
  const Tensor reverse = gradient((x.log_p.exp() * log_r).sum(), x.logits);
  const Tensor forward = gradient(-(x.reference.exp() * x.log_p).sum(), x.logits);
  EXPECT_LT(mean_gradient(log_r).abs().max().item<double>(), 1e-15);
  EXPECT_TRUE(at::allclose(mean_gradient(log_r.square() / 2), reverse, 1e-12, 1e-14));
  EXPECT_TRUE(at::allclose(mean_gradient((-log_r).exp() - 1 + log_r), forward, 1e-12, 1e-14));
  EXPECT_GT((forward - reverse).abs().max().item<double>(), 0.05);
}

// Two tokens, the second's policy by the first: their log-probabilities are to be summed first.
TEST(ReverseKl, OfSequencesIsOfTheirSums) {
  const Policies x;
  const Tensor second =
      numbers({0.2, -0.5, 1, 0.4, 0.7, -1.1, 0, 0.3, -0.6, 2, 0.1, -0.2, 1, 0, 0.5, -0.9})
          .view({4, 4})
          .set_requires_grad(true);
  const Tensor first_log_p = x.log_p.unsqueeze(-1).expand({4, 4});
  const Tensor second_log_p = second.log_softmax(-1);
  const Tensor log_p = first_log_p + second_log_p;
  const Tensor first_reference = x.reference.unsqueeze(-1).expand({4, 4});
  const Tensor second_reference = x.reference.unsqueeze(0).expand({4, 4});
  const Tensor reference = first_reference + second_reference;
  const Tensor p = log_p.detach().exp();
  const auto exact = gradient((log_p.exp() * (log_p - reference)).sum(), x.logits);
  const Tensor whole = reverse_kl(log_p, reference).surrogate;
  EXPECT_TRUE(at::allclose(gradient((p * whole).sum(), x.logits), exact, 1e-12, 1e-14));
  const Tensor by_token = reverse_kl(first_log_p, first_reference).surrogate +
                          reverse_kl(second_log_p, second_reference).surrogate;
  const Tensor partial = gradient((p * by_token).sum(), x.logits);
  EXPECT_GT((partial - exact).abs().max().item<double>(), 0.05);
}

}  // namespace
}  // namespace partita::estimators
