// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/relaxation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// E[g(logit + e)], e logistic, by the trapezoidal rule on each side of 0, where g may jump.
double expectation(double logit, const std::function<double(double)>& g) {
  double sum = 0;
  constexpr double kStep = 1e-4;
  for (int i = 0; i < 400'000; ++i) {  // midpoints of (-40, 40)
    for (const double z : {(i + 0.5) * kStep, -(i + 0.5) * kStep}) {
      const double p = sigmoid(z - logit);
      sum += g(z) * p * (1 - p) * kStep;
    }
  }
  return sum;
}

/// The mean of the estimate is what quadrature gives for it, and that is not the exact gradient.
void expect_bias(Estimator& estimator, const testing::Problem& problem, const Tensor& mean) {
  const Tensor gradient = testing::estimates(problem, estimator, 200'000).gradient;
  const Tensor interval = kFiveSigma * testing::standard_error(gradient);
  EXPECT_TRUE(((gradient.mean(0) - mean).abs() < interval).all().item<bool>())
      << estimator.name() << "\n"
      << gradient.mean(0) << "\nquadrature\n"
      << mean;
  EXPECT_TRUE(((mean - problem.gradient).abs() > 4 * interval).all().item<bool>())
      << estimator.name() << ": bias\n"
      << mean - problem.gradient << "\ninterval\n"
      << interval;
}

/// [2, 1]: per_row(logit, t) of the two rows of bernoulli().
Tensor by_row(const std::function<double(double, double)>& per_row) {
  return testing::numbers({per_row(0.3, 0.45), per_row(-1.4, 0.3)}).unsqueeze(-1);
}

TEST(Concrete, HasTheBiasOfItsRelaxation) {
  for (const double temperature : {0.3, 1.0}) {
    Concrete concrete({.samples = 4, .temperature = temperature});
    expect_bias(concrete, testing::bernoulli(), by_row([&](double logit, double t) {
                  return expectation(logit, [&](double z) {
                    const double x = sigmoid(z / temperature);
                    return 2 * (x - t) * x * (1 - x) / temperature;
                  });
                }));
  }
}

TEST(StraightThroughGumbel, HasTheBiasOfItsGradient) {
  for (const double temperature : {0.3, 1.0}) {
    StraightThroughGumbel estimator({.samples = 4, .temperature = temperature});
    expect_bias(estimator, testing::bernoulli(), by_row([&](double logit, double t) {
                  return expectation(logit, [&](double z) {
                    const double x = sigmoid(z / temperature);
                    return 2 * ((z > 0 ? 1 : 0) - t) * x * (1 - x) / temperature;
                  });
                }));
  }
}

// The mean is StraightThroughGumbel's; the variance falls with the number of inner samples.
TEST(GumbelRao, AveragesTheJacobianOfStraightThroughGumbel) {
  const double temperature = 0.3;
  Tensor variances[2];
  for (const std::int64_t inner : {1, 16}) {
    GumbelRao estimator({.samples = 4, .temperature = temperature, .inner = inner});
    expect_bias(estimator, testing::bernoulli(), by_row([&](double logit, double t) {
                  return expectation(logit, [&](double z) {
                    const double x = sigmoid(z / temperature);
                    return 2 * ((z > 0 ? 1 : 0) - t) * x * (1 - x) / temperature;
                  });
                }));
    variances[inner == 1 ? 0 : 1] =
        testing::estimates(testing::bernoulli(), estimator, 20'000).gradient.var(0);
  }
  EXPECT_TRUE((variances[1] < 0.9 * variances[0]).all().item<bool>());
}

TEST(GumbelRao, OfOneHotVectorsHasTheMeanOfStraightThroughGumbel) {
  const auto problem = testing::categorical();
  StraightThroughGumbel plain({.samples = 4, .temperature = 0.7});
  GumbelRao rao({.samples = 4, .temperature = 0.7, .inner = 4});
  const Tensor a = testing::estimates(problem, plain, 50'000).gradient;
  const Tensor b = testing::estimates(problem, rao, 50'000).gradient;
  const Tensor interval =
      kFiveSigma *
      (testing::standard_error(a).square() + testing::standard_error(b).square()).sqrt();
  EXPECT_TRUE(((a.mean(0) - b.mean(0)).abs() < interval).all().item<bool>());
  EXPECT_LT(b.var(0).sum().item<double>(), 0.9 * a.var(0).sum().item<double>());
}

TEST(ReinMax, IsUnbiasedForQuadraticFunctions) {
  auto one_hot = testing::categorical();
  const Tensor c = testing::numbers({1, -0.5, 2, 0.3, -1});
  one_hot.f = [c](const Tensor& x, const Tensor&) { return ((c * x).sum(-1) - 0.4).square(); };
  const Tensor p = one_hot.theta.softmax(-1);
  const Tensor each = (c - 0.4).square();
  one_hot.gradient = p * (each - (p * each).sum(-1, true));
  for (const auto& problem : {testing::bernoulli(), one_hot}) {
    ReinMax estimator({.samples = 4});
    const Tensor gradient = testing::estimates(problem, estimator, 200'000).gradient;
    const Tensor interval = kFiveSigma * testing::standard_error(gradient);
    EXPECT_TRUE(((gradient.mean(0) - problem.gradient).abs() < interval).all().item<bool>())
        << gradient.mean(0) << "\nexact\n"
        << problem.gradient;
  }
}

TEST(ReinMax, HasItsClosedFormBias) {
  auto problem = testing::bernoulli();
  const auto f = [](double x) { return 4 * x * x * x; };  // the derivative of x^4
  problem.f = [](const Tensor& x, const Tensor&) { return x.pow(4).squeeze(-1); };
  problem.gradient = by_row([](double logit, double) {
    const double p = sigmoid(logit);
    return p * (1 - p);
  });
  for (const double temperature : {1.0, 2.0}) {
    ReinMax estimator({.samples = 4, .temperature = temperature});
    expect_bias(estimator, problem, by_row([&](double logit, double) {
                  const double p = sigmoid(logit);
                  double mean = 0;
                  for (const double b : {0.0, 1.0}) {
                    const double q = (b + sigmoid(logit / temperature)) / 2;
                    mean += (b == 1 ? p : 1 - p) * f(b) * (2 * q * (1 - q) - p * (1 - p) / 2);
                  }
                  return mean;
                }));
  }
}

/// What a bit's gradient is by the definition, in the mean: of x^4's slope c x^3, so that it is
/// biased.
double mean_of_reinmax_rao(double logit, double temperature) {
  const double p = sigmoid(logit);
  const double q = (1 + p) / 2;  // of b = 1, the only one with a slope
  const double soft = expectation(std::log(q / (1 - q)), [&](double z) {
    const double x = sigmoid(z / temperature);
    return z > 0 ? x * (1 - x) / temperature : 0;
  });
  return 4 * p * (2 * soft / q - p * (1 - p) / 2);
}

TEST(ReinMaxRao, HasTheMeanOfItsDefinition) {
  auto bit = testing::bernoulli();
  bit.f = [](const Tensor& x, const Tensor&) { return x.pow(4).squeeze(-1); };
  bit.gradient = by_row([](double logit, double) {
    const double p = sigmoid(logit);
    return p * (1 - p);
  });
  auto one_hot = bit;  // of two categories
  one_hot.distribution = [](const Tensor& theta) {
    return std::make_shared<distributions::OneHotCategorical>(
        distributions::Logits(at::cat({theta, at::zeros_like(theta)}, -1)));
  };
  one_hot.f = [](const Tensor& x, const Tensor&) { return x.select(-1, 0).pow(4); };
  for (const double temperature : {0.5, 1.0}) {
    for (const auto& problem : {bit, one_hot}) {
      ReinMaxRao estimator({.samples = 4, .temperature = temperature, .inner = 3});
      expect_bias(estimator, problem, by_row([&](double logit, double) {
                    return mean_of_reinmax_rao(logit, temperature);
                  }));
    }
  }
}

TEST(ReinMaxRao, VariesLessThanReinMax) {
  for (const auto& problem : {testing::categorical(), testing::two_categories()}) {
    ReinMax plain;
    ReinMaxRao rao;
    const Tensor of_plain = testing::estimates(problem, plain, 20'000).gradient.var(0).sum(-1);
    const Tensor of_rao = testing::estimates(problem, rao, 20'000).gradient.var(0).sum(-1);
    EXPECT_TRUE((of_rao < 0.9 * of_plain).all().item<bool>()) << problem.name << of_rao / of_plain;
  }
}

TEST(StraightThrough, HasItsClosedFormBias) {
  StraightThrough estimator({.samples = 4});
  expect_bias(estimator, testing::bernoulli(), by_row([](double logit, double t) {
                const double p = sigmoid(logit);
                return 2 * (p - t) * p * (1 - p);
              }));
}

TEST(StraightThrough, HasItsClosedFormBiasAtATemperatureOfItsOwn) {
  for (const double temperature : {0.5, 3.0}) {
    StraightThrough estimator({.samples = 4, .temperature = temperature});
    expect_bias(estimator, testing::bernoulli(), by_row([&](double logit, double t) {
                  const double p = sigmoid(logit);
                  const double q = sigmoid(logit / temperature);
                  return 2 * (p - t) * q * (1 - q) / temperature;
                }));
  }
}

TEST(StraightThrough, SpreadsTheGradientOfOneHotVectorsAndSetsByItsTemperature) {
  const Tensor c = testing::numbers({1, -0.5, 2, 0.3, -1});
  const Function f = [c](const Tensor& x) { return (c * x).sum(-1); };
  const Tensor start = testing::numbers({0.5, -1, 0, 1.2, -0.3});
  const double temperature = 2.5;
  StraightThrough estimator({.temperature = temperature});
  const auto expect_gradient = [&](const auto& make, const auto& mean) {
    const Tensor logits = start.clone().set_requires_grad(true);
    estimator(make(logits), f, Stream{1}).surrogate.sum().backward();
    const Tensor by_hand = start.clone().set_requires_grad(true);
    f(mean(by_hand / temperature)).backward();
    EXPECT_TRUE(at::allclose(logits.grad(), by_hand.grad(), 1e-12, 1e-14));
  };
  expect_gradient(
      [](const Tensor& z) { return distributions::OneHotCategorical(distributions::Logits(z)); },
      [](const Tensor& z) { return z.softmax(-1); });
  expect_gradient(
      [](const Tensor& z) { return distributions::Subset(distributions::Logits(z), 2); },
      [](const Tensor& z) { return distributions::Subset(distributions::Logits(z), 2).mean(); });
  StraightThrough refused({.temperature = 0});
  EXPECT_EQ(testing::refusal(std::move(refused), distributions::Bernoulli(at::full({2}, 0.5))),
            "temperature: StraightThrough: expected a number > 0, got 0");
}

TEST(StraightThrough, IsUnbiasedForALinearFunction) {
  auto problem = testing::categorical();
  const Tensor c = testing::numbers({1, -0.5, 2, 0.3, -1});
  problem.f = [c](const Tensor& x, const Tensor&) { return (c * x).sum(-1); };
  StraightThrough estimator;
  const Tensor p = problem.theta.softmax(-1);
  const Tensor exact = p * (c - (p * c).sum(-1, true));
  const Tensor gradient = testing::estimates(problem, estimator, 1).gradient[0];
  EXPECT_TRUE(at::allclose(gradient, exact, 1e-12));
}

TEST(Relaxations, OfOneHotVectorsAreBiased) {
  // Two categories of logits (l, 0) are a bit of logit l: the same means as above.
  auto problem = testing::bernoulli();
  const auto f = problem.f;
  problem.distribution = [](const Tensor& theta) {
    return std::make_shared<distributions::OneHotCategorical>(
        distributions::Logits(at::cat({theta, at::zeros_like(theta)}, -1)));
  };
  problem.f = [f](const Tensor& x, const Tensor& theta) { return f(x.select(-1, 0), theta); };
  Concrete concrete({.samples = 4, .temperature = 0.5});
  expect_bias(concrete, problem, by_row([&](double logit, double t) {
                return expectation(logit, [&](double z) {
                  const double x = sigmoid(z / 0.5);
                  return 2 * (x - t) * x * (1 - x) / 0.5;
                });
              }));
  StraightThrough straight_through({.samples = 4});
  expect_bias(straight_through, problem, by_row([](double logit, double t) {
                const double p = sigmoid(logit);
                return 2 * (p - t) * p * (1 - p);
              }));
}

TEST(StraightThroughGumbel, HandsTheFunctionHardSamples) {
  const auto problem = testing::categorical();
  StraightThroughGumbel estimator({.samples = 3});
  const auto distribution = problem.distribution(problem.theta);
  estimator(
      *distribution,
      [&](const Tensor& x) {
        EXPECT_TRUE(distribution->support().check(x).all().item<bool>());
        return x.sum(-1);
      },
      Stream{1});
}

TEST(Concrete, TakesATemperatureForEachRow) {
  const auto problem = testing::three_coins();
  const auto run = [&](const TensorOrNumber& temperature) {
    Concrete concrete({.temperature = temperature});
    return testing::estimates(problem, concrete, 5).gradient;
  };
  const Tensor both = run(testing::numbers({0.3, 2}));
  EXPECT_TRUE(at::equal(both.select(1, 0), run(0.3).select(1, 0)));
  EXPECT_TRUE(at::equal(both.select(1, 1), run(2.0).select(1, 1)));
}

TEST(Relaxations, NameWhatIsWrong) {
  EXPECT_EQ(testing::refusal(Concrete({.temperature = 0.0}), distributions::Bernoulli(0.5)),
            "temperature: Concrete: expected a number > 0, got 0");
  EXPECT_THROW(GumbelRao({.inner = 0}), InvalidArgument);
  EXPECT_THROW(ReinMaxRao({.inner = 0}), InvalidArgument);
  EXPECT_EQ(testing::refusal(StraightThrough(), distributions::Normal(0, 1)),
            "distribution: StraightThrough: expected Bernoulli, OneHotCategorical, Subset or an "
            "Independent of one, got Normal(loc: 0, scale: 1)");
}

}  // namespace
}  // namespace partita::estimators
