// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/measure.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"

namespace partita::estimators {
namespace {

using distributions::Bernoulli;
using distributions::DistributionPtr;
using distributions::Logits;
using distributions::OneHotCategorical;
using partita::testing::message_of;
using ::testing::HasSubstr;

constexpr double kTarget = 0.3;
constexpr double kTheta = 0.4;

/// E (b - t)^2 of a coin b.
Expectation coin() {
  return {.distribution = [](const Tensor& theta) -> DistributionPtr {
            return std::make_shared<Bernoulli>(Logits(theta.squeeze(-1)));
          },
          .f = [](const Tensor& b) { return (b - kTarget).square(); }};
}

Tensor one(double value) { return at::full({1}, value, at::kDouble); }

/// The score function's estimate is f(b) (b - p): its moments are those of a coin's two values.
struct Exact {
  double gradient, variance, fourth;
};
Exact score_moments() {
  const double p = 1 / (1 + std::exp(-kTheta));
  const double values[] = {(1 - kTarget) * (1 - kTarget) * (1 - p), kTarget * kTarget * (0 - p)};
  const double probs[] = {p, 1 - p};
  Exact exact{};
  for (int i = 0; i < 2; ++i) exact.gradient += probs[i] * values[i];
  for (int i = 0; i < 2; ++i) {
    const double square = std::pow(values[i] - exact.gradient, 2);
    exact.variance += probs[i] * square;
    exact.fourth += probs[i] * square * square;
  }
  return exact;
}

TEST(Measure, HasTheMomentsOfTheScoreFunction) {
  const Exact exact = score_moments();
  constexpr std::int64_t kEstimates = 100'000;
  const GradientMoments found =
      measure(gradient_sampler(std::make_shared<ScoreFunction>(), coin()), one(kTheta),
              one(exact.gradient), Stream{.seed = 1}, {.estimates = kEstimates});
  const double error = std::sqrt(exact.variance / kEstimates);
  EXPECT_NEAR(found.bias_error, error, 0.01 * error);
  EXPECT_NEAR(found.bias, 0, 5 * error);
  EXPECT_DOUBLE_EQ(found.bias, found.mean.item<double>() - exact.gradient);
  const double variance_error =
      std::sqrt((exact.fourth - exact.variance * exact.variance) / kEstimates);
  EXPECT_NEAR(found.variance, exact.variance, 5 * variance_error);
  EXPECT_NEAR(found.variance_error, variance_error, 0.05 * variance_error);
  EXPECT_LT(5 * variance_error, 0.05 * exact.variance);  // a wrong constant would show
}

TEST(Measure, EnumerationIsExactAndRelaxationIsBiased) {
  const double exact = score_moments().gradient;
  const GradientMoments all =
      measure(gradient_sampler(std::make_shared<Enumeration>(), coin()), one(kTheta), one(exact),
              Stream{.seed = 2}, {.estimates = 10});
  EXPECT_NEAR(all.bias, 0, 1e-14);
  EXPECT_NEAR(all.variance, 0, 1e-28);
  const auto concrete = std::make_shared<Concrete>(RelaxationOptions{.temperature = 2.0});
  const GradientMoments relaxed = measure(gradient_sampler(concrete, coin()), one(kTheta),
                                          one(exact), Stream{.seed = 3}, {.estimates = 20'000});
  EXPECT_GT(std::abs(relaxed.bias), 10 * relaxed.bias_error);
}

TEST(Measure, OfSeveralParametersIsSummed) {
  const Tensor theta = at::tensor({0.5, -1.0, 0.2}, at::kDouble);
  const Tensor values = at::tensor({1.0, -2.0, 0.5}, at::kDouble);
  const Expectation choice{.distribution = [](const Tensor& at) -> DistributionPtr {
                             return std::make_shared<OneHotCategorical>(Logits(at));
                           },
                           .f = [values](const Tensor& x) { return x.matmul(values); }};
  const Tensor p = theta.softmax(0);
  const Tensor exact = p * (values - p.dot(values));
  // f (x - p), of each of the three outcomes x.
  const Tensor estimates = values.unsqueeze(-1) * (at::eye(3, at::kDouble) - p);
  const auto variance = (p * (estimates - exact).square().sum(-1)).sum().item<double>();
  constexpr std::int64_t kEstimates = 50'000;
  const GradientMoments found = measure(gradient_sampler(std::make_shared<ScoreFunction>(), choice),
                                        theta, exact, Stream{.seed = 4}, {.estimates = kEstimates});
  EXPECT_NEAR(found.variance, variance, 5 * found.variance_error);
  EXPECT_LT(5 * found.variance_error, 0.1 * variance);
  EXPECT_NEAR(found.bias, (found.mean - exact).norm().item<double>(), 1e-15);
  EXPECT_LT(found.bias, 5 * found.bias_error);
}

TEST(Measure, WarmsUpWhatLearns) {
  const double exact = score_moments().gradient;
  const auto variance = [&](std::int64_t warm_up) {
    const Tensor b = at::full({}, -3, at::kDouble).set_requires_grad(true);
    const auto learned = std::make_shared<ScoreFunction>(ScoreFunctionOptions{
        .baseline = baselines::Learned{.function = [b] { return b; }, .parameters = {b}}});
    return measure(gradient_sampler(learned, coin()), one(kTheta), one(exact), Stream{.seed = 5},
                   {.estimates = 5000, .warm_up = warm_up})
        .variance;
  };
  EXPECT_LT(variance(300), 0.1 * variance(0));
}

TEST(Measure, TakesWhatIsNoEstimator) {
  // theta + noise has the gradient 1 and variance 0, theta * noise the noise itself.
  const GradientSampler noisy{.surrogate = [](const Tensor& theta, const Random& random) {
    return theta.squeeze(-1) * (1 + 2 * random.normal({theta.size(0)}, at::kDouble));
  }};
  const GradientMoments found =
      measure(noisy, one(7), one(1), Stream{.seed = 6}, {.estimates = 50'000});
  EXPECT_NEAR(found.bias, 0, 5 * found.bias_error);
  EXPECT_NEAR(found.variance, 4, 5 * found.variance_error);
}

TEST(Measure, NamesWhatIsWrong) {
  const auto refusal = [](const GradientSampler& sampler, const Tensor& exact,
                          const MeasureOptions& options) {
    return message_of<InvalidArgument>(
        [&] { measure(sampler, one(0), exact, Stream{.seed = 1}, options); });
  };
  const GradientSampler fine = gradient_sampler(std::make_shared<ScoreFunction>(), coin());
  EXPECT_EQ(refusal(fine, one(0), {.estimates = 1}), "estimates: expected 2 or more, got 1");
  EXPECT_EQ(refusal(fine, one(0), {.warm_up = -1}), "warm_up: expected 0 or more, got -1");
  EXPECT_THAT(refusal(fine, at::zeros({2}, at::kDouble), {}), HasSubstr("got [2] and [1]"));
  const GradientSampler whole{
      .surrogate = [](const Tensor& theta, const Random&) { return theta.sum(); }};
  EXPECT_EQ(refusal(whole, one(0), {.estimates = 3, .warm_up = 0}),
            "surrogate: expected shape [3], got []");
  const Tensor other = at::zeros({1}, at::kDouble).set_requires_grad(true);
  const GradientSampler elsewhere{.surrogate = [other](const Tensor& theta, const Random&) {
    return other.expand({theta.size(0)});
  }};
  EXPECT_EQ(refusal(elsewhere, one(0), {.estimates = 3, .warm_up = 0}),
            "surrogate: does not depend on theta");
}

}  // namespace
}  // namespace partita::estimators
