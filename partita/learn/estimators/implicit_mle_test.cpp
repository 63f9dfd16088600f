// SPDX-License-Identifier: Apache-2.0
// Gradients through sets of a fixed size, by ImplicitMle and by all that fit.
#include "partita/learn/estimators/implicit_mle.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"
#include "partita/learn/estimators/unordered_set.hpp"
#include "partita/learn/rows.hpp"

namespace partita::estimators {
namespace {

using distributions::Logits;
using distributions::Subset;

constexpr std::int64_t kChosen = 2;

Tensor weights() { return testing::numbers({1, -0.5, 2, 0.3, -1}); }

/// Two of five: c . x + curvature (c . x)^2. The gradient is sum_S p(S) f(S) (S - marginals).
testing::Problem subsets(double curvature) {
  const Tensor theta =
      at::stack({testing::numbers({0.5, -1, 0, 1.2, -0.3}), testing::numbers({0, 0, 2, -2, 1})});
  const auto f = [curvature](const Tensor& x, const Tensor&) {
    const Tensor sum = (weights() * x).sum(-1);
    return sum + curvature * sum.square();
  };
  const Subset q(Logits(theta), kChosen);
  const Tensor all = q.enumerate_support();
  const Tensor scores = (all * theta).sum(-1);
  const Tensor weighted = (scores.softmax(0) * f(all, {})).unsqueeze(-1);
  const Tensor marginals = (scores.softmax(0).unsqueeze(-1) * all).sum(0);
  return {
      .name = "subsets",
      .theta = theta,
      .distribution =
          [](const Tensor& logits) { return std::make_shared<Subset>(Logits(logits), kChosen); },
      .f = f,
      .gradient = (weighted * (all - marginals)).sum(0),
      .value = weighted.sum(0).squeeze(-1)};
}

TEST(Subsets, UnbiasedEstimators) {
  const testing::Problem problem = subsets(1);
  Enumeration enumeration;
  const auto got = testing::estimates(problem, enumeration, 1);
  EXPECT_TRUE(at::allclose(got.gradient[0], problem.gradient, 1e-12, 1e-13));
  EXPECT_TRUE(at::allclose(got.value[0], problem.value, 1e-13));
  constexpr std::int64_t kRows = 30'000;
  ScoreFunction score({.samples = 4, .baseline = baselines::LeaveOneOut{}});
  testing::expect_unbiased(problem, score, kRows);
  ScoreFunction control({.samples = 4, .baseline = baselines::ControlVariate{}});
  testing::expect_unbiased(problem, control, kRows);
  UnorderedSet unordered({.samples = 3});
  testing::expect_unbiased(problem, unordered, kRows / 4);
  SumAndSample sum({.samples = 3});
  testing::expect_unbiased(problem, sum, kRows);
}

TEST(Subsets, StraightThroughIsExactForLinearFunctions) {
  const testing::Problem linear = subsets(0);
  StraightThrough simple;
  const Tensor gradient = testing::estimates(linear, simple, 10).gradient;
  EXPECT_TRUE(at::allclose(gradient, linear.gradient.expand_as(gradient), 1e-12, 1e-13));
}

/// For others its mean is E[J f'(S)], J the Jacobian of the marginals, here that of the sum over
/// all sets.
TEST(Subsets, StraightThroughHasItsBias) {
  const testing::Problem problem = subsets(1);
  const Subset q(Logits(problem.theta), kChosen);
  const Tensor all = q.enumerate_support();
  const Tensor p = (all * problem.theta).sum(-1).softmax(0).unsqueeze(-1);
  const Tensor slope = (p * (1 + 2 * (weights() * all).sum(-1, true)) * weights()).sum(0);
  const Tensor centered = all - (p * all).sum(0);
  const Tensor mean = (p * centered * (centered * slope).sum(-1, true)).sum(0);
  StraightThrough simple;
  const Tensor found = testing::estimates(problem, simple, 50'000).gradient;
  const Tensor interval = kFiveSigma * testing::standard_error(found);
  EXPECT_TRUE(((found.mean(0) - mean).abs() < interval).all().item<bool>());
  EXPECT_TRUE(((mean - problem.gradient).abs() > interval).any().item<bool>());
}

TEST(SumOfGamma, CopiesSumToAGumbel) {
  constexpr std::int64_t kDraws = 20'000;
  for (const std::int64_t k : {1, 3}) {
    // The mean of what is cut off is 1 / (2 terms): unseen among so many draws.
    const Tensor sum =
        sum_of_gamma_noise({kDraws, k}, k, 100, at::TensorOptions(at::kDouble), Stream{.seed = 4})
            .sum(-1);
    EXPECT_GT(ks_p_value(to_vector(sum), [](double x) { return std::exp(-std::exp(-x)); }),
              kFalseAlarm)
        << k;
  }
}

/// For c . x the estimate is the difference of two perturbed sets, whose means other draws give.
TEST(ImplicitMle, IsTheDifferenceOfMarginals) {
  const double step = 0.7;
  constexpr std::int64_t kRows = 50'000;
  const testing::Problem linear = subsets(0);
  ImplicitMle estimator({.step = step, .temperature = 0.8});
  const Tensor found = testing::estimates(linear, estimator, kRows).gradient;
  const auto sets = [&](const Tensor& theta, std::uint64_t seed) {
    const Tensor perturbed =
        theta +
        0.8 * sum_of_gamma_noise({kRows, 2, 5}, kChosen, 10, theta.options(), Stream{.seed = seed});
    const Tensor kth = std::get<0>(perturbed.topk(kChosen, -1)).select(-1, kChosen - 1);
    return (perturbed >= kth.unsqueeze(-1)).to(at::kDouble);
  };
  const Tensor expected = (sets(linear.theta, 8) - sets(linear.theta - step * weights(), 9)) / step;
  const Tensor error = (found.mean(0) - expected.mean(0)).abs();
  const Tensor interval =
      kFiveSigma * (testing::standard_error(found) + testing::standard_error(expected));
  EXPECT_TRUE((error < interval).all().item<bool>()) << error / interval;
  // It is biased, but points the right way.
  const Tensor mean = found.mean(0);
  EXPECT_TRUE(((mean - linear.gradient).abs() > interval).any().item<bool>());
  EXPECT_GT((at::cosine_similarity(mean, linear.gradient, -1)).min().item<double>(), 0.5);
}

TEST(ImplicitMle, ParametersOfTheFunctionAndImpossibleCategories) {
  const Tensor theta = testing::numbers({0.5, -std::numeric_limits<double>::infinity(), 0, 1})
                           .set_requires_grad(true);
  const Tensor own = testing::numbers({2}).set_requires_grad(true);
  ImplicitMle estimator({.samples = 50, .step = 2});
  const auto [surrogate, value] = estimator(
      Subset(Logits(theta), 2),
      [&](const Tensor& x) {
        EXPECT_TRUE(x.select(-1, 1).eq(0).all().item<bool>());
        return (own * x * testing::numbers({1, 5, 2, 3})).sum(-1);
      },
      Stream{3});
  surrogate.backward();
  EXPECT_NEAR(own.grad().item<double>(), value.item<double>() / 2, 1e-12);
  EXPECT_TRUE(theta.grad().isfinite().all().item<bool>()) << theta.grad();
  EXPECT_EQ(theta.grad()[1].item<double>(), 0);
  EXPECT_NEAR(theta.grad().sum().item<double>(), 0, 1e-12);
}

TEST(ImplicitMle, SaysWhatItDoesNotFit) {
  const Subset q(Logits(testing::numbers({0, 1, 2})), 2);
  EXPECT_EQ(testing::refusal(ImplicitMle(), distributions::Bernoulli(0.5)),
            "distribution: ImplicitMle: expected Subset or an Independent of one, got "
            "Bernoulli(probs: 0.5)");
  EXPECT_EQ(testing::refusal(Concrete(), q),
            "distribution: Concrete: expected Bernoulli, OneHotCategorical or an Independent of "
            "one, got Subset(logits: [3], k: 2)");
  ImplicitMle estimator;
  EXPECT_THROW(estimator(
                   q, [](const Tensor& x) { return x.detach().sum(-1); }, Stream{1}),
               InvalidArgument);
  EXPECT_THROW(ImplicitMle({.step = 0}), InvalidArgument);
  EXPECT_THROW(ImplicitMle({.temperature = -1}), InvalidArgument);
  EXPECT_THROW(ImplicitMle({.terms = 0}), InvalidArgument);
}

}  // namespace
}  // namespace partita::estimators
