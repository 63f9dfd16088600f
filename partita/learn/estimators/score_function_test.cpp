// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/score_function.hpp"

#include <gtest/gtest.h>

#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/zero_inflated.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using testing::numbers;

/// The lecture's example: z ~ N(a theta + b, 1), f = z^2, a = 2, b = 3, gradient 2 a (a theta + b).
testing::Problem gaussian() {
  const Tensor theta = numbers({0, -0.8}).unsqueeze(-1);
  const Tensor mean = 2 * theta + 3;
  return {.name = "gaussian",
          .theta = theta,
          .distribution =
              [](const Tensor& at) {
                return std::make_shared<distributions::Normal>(2 * at.squeeze(-1) + 3, 1);
              },
          .f = [](const Tensor& z, const Tensor&) { return z.square(); },
          .gradient = 4 * mean,
          .value = (mean.square() + 1).squeeze(-1)};
}

/// The variance over rows of the gradient, within its interval (from the fourth moment).
void expect_variance(Estimator& estimator, const Tensor& exact) {
  const auto problem = gaussian();
  const Tensor gradient = testing::estimates(problem, estimator, 400'000).gradient.squeeze(-1);
  const Tensor squares = (gradient - problem.gradient.squeeze(-1)).square();
  const Tensor interval = kFiveSigma * testing::standard_error(squares);
  EXPECT_TRUE(((squares.mean(0) - exact).abs() < interval).all().item<bool>())
      << estimator.name() << "\n"
      << squares.mean(0) << "\nexact\n"
      << exact;
  EXPECT_TRUE((interval < 0.1 * exact).all().item<bool>()) << interval / exact;
}

TEST(Gaussian, BothMethodsHaveTheirClosedFormVariance) {
  const auto problem = gaussian();
  const Tensor mu = 2 * problem.theta.squeeze(-1) + 3;
  ScoreFunction reinforce;
  testing::expect_unbiased(problem, reinforce, 200'000);
  // z^2 a e with z = mu + e: a^2 (E[(mu + e)^4 e^2] - (2 mu)^2).
  expect_variance(reinforce, 4 * (mu.pow(4) + 14 * mu.square() + 15));
  Pathwise pathwise;
  testing::expect_unbiased(problem, pathwise, 200'000);
  // 2 a (mu + e).
  expect_variance(pathwise, at::full({2}, 16., at::kDouble));
}

TEST(ScoreFunction, HasTheKnownVarianceOnACoin) {
  // p = .5, t = .499, with respect to the logit, where the score is +-1/2: (f(1)^2 + f(0)^2) / 8
  // less the square of (f(1) - f(0)) / 4, which is .0156251; with respect to p it is 16 times that.
  auto problem = testing::bernoulli();
  problem.theta = at::zeros({2, 1}, at::kDouble);
  problem.f = [](const Tensor& b, const Tensor&) { return (b - 0.499).square(); };
  ScoreFunction reinforce;
  const Tensor variance =
      testing::estimates(problem, reinforce, 100'000).gradient.var(at::IntArrayRef{0});
  EXPECT_TRUE(at::allclose(variance, at::full({2, 1}, 0.015625, at::kDouble), 1e-3))  //
      << variance;
}

TEST(ScoreFunction, ControlVariateWithAKnownMean) {
  // h = z of mean mu explains a part of z^2; its own gradient is put back.
  const auto problem = gaussian();
  const auto estimator = [](bool with_h) {
    baselines::ControlVariate control;
    if (with_h) {
      control.function = [](const Tensor& z) { return z; };
      control.expectation = [](const Distribution& q) { return q.mean(); };
    }
    return ScoreFunction({.samples = 8, .baseline = control});
  };
  ScoreFunction with_h = estimator(true);
  testing::expect_unbiased(problem, with_h, 100'000);
  ScoreFunction constant = estimator(false);
  testing::expect_unbiased(problem, constant, 100'000);
  ScoreFunction none({.samples = 8});
  const auto variance = [&](ScoreFunction& one) {
    return testing::estimates(problem, one, 100'000).gradient.select(1, 0).var().item<double>();
  };
  // With many samples the slope is a*, and the variance falls to (1 - correlation^2) of 888 / 8.
  EXPECT_LT(variance(constant), 0.8 * variance(none));
  EXPECT_LT(variance(with_h), 0.8 * variance(none));
}

TEST(ScoreFunction, ControlVariateOfAnIndependent) {
  // Twelve bits that f takes together: a slope for each logit.
  const Tensor theta = at::zeros({50'000, 12}, at::kDouble).set_requires_grad(true);
  const distributions::Independent bits(distributions::Bernoulli(distributions::Logits(theta)), 1);
  ScoreFunction estimator({.samples = 5, .baseline = baselines::ControlVariate{}});
  const Tensor weight = at::linspace(1, 2, 12, at::kDouble);
  const auto [surrogate, value] = estimator(
      bits, [&](const Tensor& b) { return (b * weight).sum(-1); }, Stream{.seed = 2});
  surrogate.sum().backward();
  const Tensor error = (theta.grad().mean(0) - weight / 4).abs();
  EXPECT_TRUE((error < kFiveSigma * testing::standard_error(theta.grad())).all().item<bool>());
}

TEST(ScoreFunction, ControlVariateOfDistributionsThatComputeRepeatedParametersOnce) {
  // E[x] = rate of a Poisson, concentration of a Gamma: the gradient is 1.
  const auto expect_one = [](const auto& make) {
    const Tensor theta = at::full({20'000}, 2.5, at::kDouble).set_requires_grad(true);
    ScoreFunction estimator({.samples = 4, .baseline = baselines::ControlVariate{}});
    estimator(
        make(theta), [](const Tensor& x) { return x; }, Stream{.seed = 3})
        .surrogate.sum()
        .backward();
    const Tensor interval = kFiveSigma * testing::standard_error(theta.grad());
    EXPECT_LT((theta.grad().mean() - 1).abs().item<double>(), interval.item<double>());
    EXPECT_LT(interval.item<double>(), 0.1);
  };
  expect_one([](const Tensor& theta) { return distributions::Poisson(theta); });
  expect_one([](const Tensor& theta) { return distributions::Gamma(theta, 1); });
}

TEST(ScoreFunction, ControlVariateOfWhatHasParametersWithin) {
  // E[x] = (1 - gate) rate.
  const Tensor rate = at::full({20'000}, 2.5, at::kDouble).set_requires_grad(true);
  const Tensor gate = at::full({20'000}, 0.3, at::kDouble).set_requires_grad(true);
  ScoreFunction estimator({.samples = 4, .baseline = baselines::ControlVariate{}});
  const auto identity = [](const Tensor& x) { return x; };
  estimator(distributions::ZeroInflated(distributions::Poisson(rate), gate), identity, Stream{3})
      .surrogate.sum()
      .backward();
  for (const auto& [parameter, slope] : {std::pair(rate, 0.7), std::pair(gate, -2.5)}) {
    const Tensor interval = kFiveSigma * testing::standard_error(parameter.grad());
    EXPECT_LT((parameter.grad().mean() - slope).abs().item<double>(), interval.item<double>());
    EXPECT_LT(interval.item<double>(), 0.25);
  }
  // Its Cholesky factor is not that of the copies for each sample.
  const Tensor covariance = at::eye(2, at::kDouble).set_requires_grad(true);
  const distributions::MultivariateNormal normal(at::zeros({2}, at::kDouble), covariance);
  const auto sum = [](const Tensor& x) { return x.sum(-1); };
  EXPECT_THROW(estimator(normal, sum, Stream{3}), InvalidArgument);
}

TEST(ScoreFunction, MovingAverageIsOfEarlierCallsOnly) {
  const auto problem = testing::bernoulli();
  ScoreFunction estimator({.baseline = baselines::MovingAverage{.decay = 0.5}});
  ScoreFunction none;
  // The first call has no baseline.
  EXPECT_TRUE(at::equal(testing::estimates(problem, estimator, 100).gradient,
                        testing::estimates(problem, none, 100).gradient));
  testing::estimates(problem, estimator, 100, 2);
  // Means m1 and m2 of the calls so far, decayed: (m1 / 4 + m2 / 2) / (3 / 4).
  const auto m1 = testing::estimates(problem, none, 100, 1).value.mean().item<double>();
  const auto m2 = testing::estimates(problem, none, 100, 2).value.mean().item<double>();
  const double baseline = (m1 + 2 * m2) / 3;
  auto shifted = problem;
  shifted.f = [&](const Tensor& b, const Tensor& theta) { return problem.f(b, theta) - baseline; };
  EXPECT_TRUE(at::allclose(testing::estimates(problem, estimator, 100, 3).gradient,
                           testing::estimates(shifted, none, 100, 3).gradient, 1e-12));
  testing::expect_unbiased(problem, estimator, 100'000);
}

TEST(ScoreFunction, LearnedBaselineIsTrainedByTheSameBackward) {
  // The least squares fit of a + b x to f is what gradient descent on its loss finds.
  const auto problem = testing::bernoulli();
  const Tensor weights = at::zeros({2}, at::kDouble).set_requires_grad(true);
  const Tensor x = numbers({1, -1});
  ScoreFunction estimator(
      {.samples = 4,
       .baseline = baselines::Learned{.function = [&] { return weights[0] + weights[1] * x; },
                                      .parameters = {weights}}});
  ASSERT_EQ(estimator.parameters().size(), 1U);
  constexpr std::int64_t kRows = 20'000;
  for (std::uint64_t step = 0; step < 30; ++step) {
    weights.mutable_grad() = Tensor();
    testing::estimates(problem, estimator, kRows, step);
    const at::NoGradGuard no_grad;
    weights.sub_(0.2 * weights.grad() / static_cast<double>(kRows));
  }
  const double sum = problem.value.sum().item<double>() / 2;
  const double difference = (problem.value[0] - problem.value[1]).item<double>() / 2;
  EXPECT_NEAR(weights[0].item<double>(), sum, 2e-3);
  EXPECT_NEAR(weights[1].item<double>(), difference, 2e-3);
  testing::expect_unbiased(problem, estimator, 100'000);
}

TEST(ScoreFunction, LearnedBaselineMovesNothingButItsParameters) {
  const auto problem = testing::bernoulli();
  const Tensor own = at::scalar_tensor(0.1, at::kDouble).set_requires_grad(true);
  const Tensor shared = at::scalar_tensor(0.2, at::kDouble).set_requires_grad(true);
  ScoreFunction estimator({.baseline = baselines::Learned{.function = [&] { return own + shared; },
                                                          .parameters = {own}}});
  testing::estimates(problem, estimator, 10);
  EXPECT_TRUE(own.grad().defined());
  EXPECT_FALSE(shared.grad().defined());
}

TEST(ScoreFunction, NamesWhatIsWrong) {
  EXPECT_THROW(ScoreFunction({.samples = 0}), InvalidArgument);
  EXPECT_THROW(ScoreFunction({.samples = 1, .baseline = baselines::LeaveOneOut{}}),
               InvalidArgument);
  EXPECT_THROW(ScoreFunction({.samples = 2, .baseline = baselines::ControlVariate{}}),
               InvalidArgument);
  EXPECT_THROW(ScoreFunction({.baseline = baselines::MovingAverage{.decay = 1}}), InvalidArgument);
  EXPECT_THROW(ScoreFunction({.baseline = baselines::Learned{}}), InvalidArgument);

  ScoreFunction estimator({.samples = 8});
  const distributions::Bernoulli coins(at::full({3}, 0.5));
  try {
    estimator(
        coins, [](const Tensor& b) { return b.sum(-1); }, Stream{1});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "f: ScoreFunction: expected a result of shape [8, 3] (samples, batch), got [8]");
  }
}

}  // namespace
}  // namespace partita::estimators
