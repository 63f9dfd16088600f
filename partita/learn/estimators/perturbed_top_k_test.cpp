// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/perturbed_top_k.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using distributions::Logits;
using distributions::PlackettLuce;
using distributions::Subset;

Tensor cost() { return testing::numbers({1, -0.5, 2, 0.3, -1}); }

/// c . x of two of five, and its gradient when sets are the first two places of a ranking.
testing::Problem rankings(double epsilon) {
  testing::Problem problem{
      .name = "rankings",
      .theta = at::stack(
          {testing::numbers({0.5, -1, 0, 1.2, -0.3}), testing::numbers({0, 0, 2, -2, 1})}),
      .distribution =
          [](const Tensor& logits) { return std::make_shared<Subset>(Logits(logits), 2); },
      .f = [](const Tensor& x, const Tensor&) { return (cost() * x).sum(-1); },
      .gradient = {},
      .value = {}};
  const Tensor theta = problem.theta.clone().set_requires_grad(true);
  const PlackettLuce law(Logits(theta / epsilon), 2);
  const Tensor all = law.enumerate_support();
  const Tensor mean = (law.log_prob(all).exp() * cost().index({all}).sum(-1)).sum(0);
  problem.gradient = torch::autograd::grad({mean.sum()}, {theta})[0];
  problem.value = mean.detach();
  return problem;
}

TEST(PerturbedTopK, IsUnbiasedForRankingsAndLinearFunctions) {
  for (const double epsilon : {0.6, 1.0}) {
    const testing::Problem problem = rankings(epsilon);
    PerturbedTopK estimator({.samples = 2, .inner = 5, .epsilon = epsilon});
    testing::expect_unbiased(problem, estimator, 30'000);
  }
}

TEST(PerturbedTopK, IsBiasedForSubsets) {
  const testing::Problem problem = rankings(1);
  const Tensor subsets = testing::enumerated(problem).gradient;
  PerturbedTopK estimator({.inner = 20});
  const Tensor found = testing::estimates(problem, estimator, 30'000).gradient;
  const Tensor interval = kFiveSigma * testing::standard_error(found);
  EXPECT_TRUE(((found.mean(0) - subsets).abs() > interval).any().item<bool>());
  EXPECT_GT(at::cosine_similarity(found.mean(0), subsets, -1).min().item<double>(), 0.9);
}

TEST(PerturbedTopK, ParametersOfTheFunctionAndImpossibleCategories) {
  const Tensor theta = testing::numbers({0.5, -std::numeric_limits<double>::infinity(), 0, 1})
                           .set_requires_grad(true);
  const Tensor own = testing::numbers({2}).set_requires_grad(true);
  PerturbedTopK estimator({.samples = 3});
  const auto [surrogate, value] = estimator(
      Subset(Logits(theta), 2),
      [&](const Tensor& x) {
        EXPECT_TRUE(x.select(-1, 1).eq(0).all().item<bool>());
        return (own * x * testing::numbers({1, 5, 2, 3})).sum(-1).square();
      },
      Stream{3});
  surrogate.backward();
  EXPECT_NEAR(own.grad().item<double>(), value.item<double>(), 1e-12);  // 2 / own
  EXPECT_TRUE(theta.grad().isfinite().all().item<bool>()) << theta.grad();
  EXPECT_EQ(theta.grad()[1].item<double>(), 0);
  EXPECT_NEAR(theta.grad().sum().item<double>(), 0, 1e-12);
}

TEST(PerturbedTopK, SaysWhatItDoesNotFit) {
  EXPECT_EQ(testing::refusal(PerturbedTopK(), distributions::Bernoulli(0.5)),
            "distribution: PerturbedTopK: expected Subset or an Independent of one, got "
            "Bernoulli(probs: 0.5)");
  const Subset none(Logits(testing::numbers({0, 1, 2})), 0);
  EXPECT_EQ(testing::refusal(PerturbedTopK(), none),
            "distribution: PerturbedTopK: expected a Subset of one or more, got "
            "Subset(logits: [3], k: 0)");
  EXPECT_THROW(PerturbedTopK({.samples = 0}), InvalidArgument);
  EXPECT_THROW(PerturbedTopK({.inner = 1}), InvalidArgument);
  EXPECT_THROW(PerturbedTopK({.epsilon = 0}), InvalidArgument);
}

}  // namespace
}  // namespace partita::estimators
