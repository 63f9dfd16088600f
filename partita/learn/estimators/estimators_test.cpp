// SPDX-License-Identifier: Apache-2.0
// Every estimator on every problem: the unbiased ones against exact gradients.
#include <gtest/gtest.h>

#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/estimators/arm.hpp"
#include "partita/learn/estimators/arms.hpp"
#include "partita/learn/estimators/double_control_variates.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"
#include "partita/learn/estimators/unordered_set.hpp"

namespace partita::estimators {
namespace {

using testing::Problem;

std::vector<Problem> problems() {
  return {testing::bernoulli(), testing::bernoulli_with_own_parameter(), testing::categorical(),
          testing::three_coins()};
}

constexpr std::int64_t kRows = 100'000;

TEST(Enumeration, IsExact) {
  for (const Problem& problem : problems()) {
    Enumeration enumeration;
    const auto got = testing::estimates(problem, enumeration, 1);
    EXPECT_TRUE(at::allclose(got.gradient[0], problem.gradient, 1e-13, 1e-14)) << problem.name;
    EXPECT_TRUE(at::allclose(got.value[0], problem.value, 1e-13)) << problem.name;
  }
}

TEST(ScoreFunction, IsUnbiased) {
  for (const Problem& problem : problems()) {
    ScoreFunction estimator({.samples = 4});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(ScoreFunction, LeaveOneOutIsUnbiased) {
  for (const Problem& problem : problems()) {
    ScoreFunction estimator({.samples = 2, .baseline = baselines::LeaveOneOut{}});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(ScoreFunction, ControlVariateIsUnbiased) {
  for (const Problem& problem : problems()) {
    ScoreFunction estimator({.samples = 4, .baseline = baselines::ControlVariate{}});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(Rebar, IsUnbiased) {
  for (const Problem& problem : problems()) {
    Rebar estimator({.samples = 2, .temperature = 0.4, .scale = 0.7, .tune = false});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(Relax, IsUnbiased) {
  for (const Problem& problem : problems()) {
    const std::int64_t event_dim =
        problem.distribution(problem.theta)->event_shape().empty() ? 0 : 1;
    Relax estimator({.samples = 4, .control_variate = [event_dim](const Tensor& z) {
                       return sum_rightmost(0.3 * (z - 0.5).tanh() + 0.1 * z.sin(), event_dim);
                     }});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(Arm, IsUnbiased) {
  for (const Problem& problem : problems()) {
    if (problem.name == "categorical") continue;
    Arm arm({.samples = 2});
    testing::expect_unbiased(problem, arm, kRows);
    DisArm disarm({.samples = 2});
    testing::expect_unbiased(problem, disarm, kRows);
  }
}

TEST(Arms, IsUnbiased) {
  auto all = problems();
  all.push_back(testing::two_categories());
  for (const Problem& problem : all) {
    for (const std::int64_t n : {2, 5}) {
      Arms arms({.samples = n});
      testing::expect_unbiased(problem, arms, kRows / 2);
    }
  }
}

TEST(Arms, OfTwoBitsIsDisArm) {
  const Problem problem = testing::bernoulli();
  Arms arms;
  DisArm disarm;
  const Tensor two = testing::estimates(problem, arms, 1000).gradient;
  const Tensor pair = testing::estimates(problem, disarm, 1000).gradient;
  for (const std::int64_t row : {0, 1}) {  // 0 where the bits agree, else one number
    const Tensor most = pair.select(1, row).abs().max();
    const Tensor found = two.select(1, row).abs();
    EXPECT_GT(most.item<double>(), 0);
    EXPECT_TRUE(at::minimum(found, (found - most).abs()).le(1e-14 * most).all().item<bool>());
  }
}

TEST(Arms, VariesLessThanIndependentSamples) {
  for (const Problem& problem : {testing::bernoulli(), testing::categorical(),
                                 testing::three_coins(), testing::two_categories()}) {
    const auto variance = [&](Estimator&& estimator) {
      const Tensor draws = testing::estimates(problem, estimator, kRows / 4).gradient;
      // The first row's; outcomes of the second are too rare to avoid each other by much.
      return draws.select(1, 0).var(0).sum().item<double>();
    };
    for (const std::int64_t n : {2, 4}) {
      const double independent =
          variance(ScoreFunction({.samples = n, .baseline = baselines::LeaveOneOut{}}));
      EXPECT_LT(variance(Arms({.samples = n})), 0.9 * independent) << problem.name << n;
    }
  }
}

TEST(UnorderedSet, IsUnbiased) {
  for (const Problem& problem : problems()) {
    UnorderedSet plain({.samples = problem.name == "three coins" ? 4 : 2, .baseline = false});
    testing::expect_unbiased(problem, plain, kRows / 4);
    UnorderedSet with_baseline({.samples = 2});
    testing::expect_unbiased(problem, with_baseline, kRows / 4);
  }
}

TEST(SumAndSample, IsUnbiased) {
  for (const Problem& problem : problems()) {
    SumAndSample estimator({.samples = 2});
    testing::expect_unbiased(problem, estimator, kRows);
  }
}

TEST(Estimators, SayWhatTheyDoNotFit) {
  const distributions::Bernoulli coin(0.5);
  const distributions::Normal normal(0, 1);
  EXPECT_EQ(testing::refusal(Pathwise(), coin),
            "distribution: Pathwise: expected a distribution that has rsample, got "
            "Bernoulli(probs: 0.5)");
  EXPECT_EQ(testing::refusal(Arm(), normal),
            "distribution: Arm: expected Bernoulli or Independent(Bernoulli), got "
            "Normal(loc: 0, scale: 1)");
  EXPECT_EQ(
      testing::refusal(Arms(), normal),
      "distribution: Arms: expected Bernoulli, OneHotCategorical or an Independent of one, got "
      "Normal(loc: 0, scale: 1)");
  EXPECT_THROW(Arms({.samples = 1}), InvalidArgument);
  EXPECT_EQ(testing::refusal(UnorderedSet(), normal),
            "distribution: UnorderedSet: expected a distribution that enumerates its support, got "
            "Normal(loc: 0, scale: 1)");
  EXPECT_NE(testing::refusal(Rebar(), normal), "nothing");
  EXPECT_NE(testing::refusal(DisArm(), distributions::OneHotCategorical(at::full({2}, 0.5))),
            "nothing");
  const distributions::Independent many(distributions::Bernoulli(at::full({30}, 0.5)), 1);
  EXPECT_EQ(testing::refusal(Enumeration(), many),
            "distribution: expected at most 2^20 outcomes to enumerate, got 2^30 of "
            "Independent(Bernoulli(probs: [30]), 1)");
}

TEST(Enumeration, OfIntegersAndOfSeveralOneHotVectors) {
  const Tensor logits = at::stack({testing::numbers({0.1, 0.5, -1}), testing::numbers({1, 0, 0})})
                            .set_requires_grad(true);
  Enumeration enumeration;
  const distributions::Categorical index{distributions::Logits(logits)};
  const auto by_index = enumeration(
      index, [](const Tensor& i) { return (i.to(at::kDouble) + 1).square(); }, Stream{1});
  const Tensor p = logits.softmax(-1);
  EXPECT_TRUE(at::allclose(by_index.value, (p * testing::numbers({1, 4, 9})).sum(-1)));
  // The product of two variables' first entries has the product of their probabilities as mean.
  const distributions::Independent both(
      distributions::OneHotCategorical(distributions::Logits(logits)), 1);
  const auto joint = enumeration(
      both, [](const Tensor& x) { return x.select(-1, 0).prod(-1); }, Stream{1});
  EXPECT_NEAR(joint.value.item<double>(), (p[0][0] * p[1][0]).item<double>(), 1e-15);
  joint.surrogate.backward();
  const Tensor first = testing::numbers({1, 0, 0});
  const Tensor exact = (p.select(1, 0).prod() * (first - p)).detach();
  EXPECT_TRUE(at::allclose(logits.grad(), exact, 1e-12));
}

TEST(Arms, OfOneCategory) {
  const Tensor logits = testing::numbers({0.3}).set_requires_grad(true);
  Arms arms({.samples = 3});
  const auto [surrogate, value] = arms(
      distributions::OneHotCategorical(distributions::Logits(logits)),
      [](const Tensor& x) { return 2 * x.sum(-1); }, Stream{1});
  surrogate.backward();
  EXPECT_EQ(value.item<double>(), 2);
  EXPECT_EQ(logits.grad().item<double>(), 0);
}

TEST(Enumeration, ImpossibleOutcomesHaveNoGradient) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor logits = testing::numbers({0, 1, -infinity}).set_requires_grad(true);
  Enumeration enumeration;
  const auto [surrogate, value] = enumeration(
      distributions::OneHotCategorical(distributions::Logits(logits)),
      [](const Tensor& x) {
        return (x * testing::numbers({1, 2, 3})).sum(-1);
      },
      Stream{1});
  surrogate.backward();
  const double p = 1 / (1 + std::exp(-1.));
  EXPECT_TRUE(at::allclose(logits.grad(), testing::numbers({-p * (1 - p), p * (1 - p), 0})));
}

TEST(DisArm, VariesLessThanArm) {
  const Problem problem = testing::bernoulli();
  Arm arm;
  DisArm disarm;
  const auto variance = [&](Estimator& estimator) {
    return testing::estimates(problem, estimator, kRows).gradient.var(at::IntArrayRef{0});
  };
  // Where the bits of a pair differ, u - 1/2 is nearly known when the bit is rare, less so when
  // not.
  const Tensor ratio = variance(disarm) / variance(arm);
  EXPECT_LT(ratio[0].item<double>(), 0.9);
  EXPECT_LT(ratio[1].item<double>(), 1);
}

}  // namespace
}  // namespace partita::estimators
