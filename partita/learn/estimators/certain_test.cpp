// SPDX-License-Identifier: Apache-2.0
// What every estimator gives where a probability is exactly 0 or 1, as its header says; and for a
// batch of nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators.hpp"

namespace partita::estimators {
namespace {

using distributions::Bernoulli;
using distributions::Binomial;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::OneHotCategorical;

const Stream kStream{.seed = 5};

Tensor leaf(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).set_requires_grad(true);
}

struct Found {
  Tensor gradient;
  Tensor value;
};

Found found(Estimator& estimator, const Distribution& distribution, const Tensor& parameter,
            const Function& f) {
  const auto [surrogate, value] = estimator(distribution, f, kStream);
  parameter.mutable_grad() = Tensor();
  surrogate.sum().backward();
  return {parameter.grad(), value};
}

void expect_near(const Tensor& actual, const std::vector<double>& expected,
                 const std::string& what) {
  EXPECT_TRUE(at::allclose(actual, at::tensor(expected, at::kDouble).view_as(actual), 1e-12, 1e-12))
      << what << "\n"
      << actual;
}

/// Estimators of everything that bits and one-hot vectors allow.
std::vector<std::shared_ptr<Estimator>> of_bits() {
  const auto linear = [](const Tensor& z) { return z.sigmoid(); };
  return {std::make_shared<Arm>(ArmOptions{.samples = 3}),
          std::make_shared<DisArm>(ArmOptions{.samples = 3}),
          std::make_shared<Arms>(ArmsOptions{.samples = 3}),
          std::make_shared<DoubleControlVariates>(DoubleControlVariatesOptions{.samples = 3}),
          std::make_shared<Concrete>(RelaxationOptions{.samples = 3}),
          std::make_shared<StraightThroughGumbel>(RelaxationOptions{.samples = 3}),
          std::make_shared<GumbelRao>(GumbelRaoOptions{.samples = 3}),
          std::make_shared<ReinMax>(ReinMaxOptions{.samples = 3}),
          std::make_shared<ReinMaxRao>(ReinMaxRaoOptions{.samples = 3}),
          std::make_shared<Rebar>(RebarOptions{.samples = 3}),
          std::make_shared<Relax>(RelaxOptions{.samples = 3, .control_variate = linear})};
}

TEST(Certain, ACoin) {
  const Function f = [](const Tensor& x) { return 1.5 * x + 7; };
  for (const double p : {0.0, 1.0}) {
    const Tensor probs = leaf({p});
    const Bernoulli coin{probs};
    const std::string at = ", p = " + std::to_string(p);
    Enumeration enumeration;
    expect_near(found(enumeration, coin, probs, f).gradient, {1.5}, "Enumeration" + at);
    StraightThrough straight;
    expect_near(found(straight, coin, probs, f).gradient, {1.5}, "StraightThrough" + at);
    // f(z) grad log p(z) of the only z that is drawn.
    const double only = p == 0 ? -7 : 8.5;
    ScoreFunction score({.samples = 3});
    expect_near(found(score, coin, probs, f).gradient, {only}, "ScoreFunction" + at);
    ScoreFunction relative({.samples = 3, .baseline = baselines::LeaveOneOut{}});
    expect_near(found(relative, coin, probs, f).gradient, {0}, "LeaveOneOut" + at);
    UnorderedSet set({.samples = 1, .baseline = false});
    expect_near(found(set, coin, probs, f).gradient, {only}, "UnorderedSet" + at);
    SumAndSample sum({.samples = 1});
    expect_near(found(sum, coin, probs, f).gradient, {only}, "SumAndSample" + at);
    for (const auto& estimator : of_bits()) {
      const Found got = found(*estimator, coin, probs, f);
      expect_near(got.gradient, {0}, estimator->name() + at);
      expect_near(got.value, {7 + 1.5 * p}, estimator->name() + (", value" + at));
    }
  }
}

TEST(Certain, ACoinOfInfiniteLogits) {
  const Function f = [](const Tensor& x) { return 1.5 * x + 7; };
  const double infinity = std::numeric_limits<double>::infinity();
  auto all = of_bits();
  all.push_back(std::make_shared<Enumeration>());
  all.push_back(std::make_shared<StraightThrough>());
  all.push_back(std::make_shared<ScoreFunction>());
  for (const auto& estimator : all) {
    const Tensor logits = leaf({-infinity, infinity});
    const Found got = found(*estimator, Bernoulli{Logits(logits)}, logits, f);
    expect_near(got.gradient, {0, 0}, estimator->name());
    expect_near(got.value, {7, 8.5}, estimator->name());
  }
}

TEST(Certain, ACategory) {
  const Tensor values = at::tensor({1., 5., 3.}, at::kDouble);
  const Function f = [&](const Tensor& x) { return (x * values).sum(-1); };
  const Tensor probs = leaf({0.5, 0, 0.5});
  const OneHotCategorical q{probs};
  Enumeration enumeration;
  expect_near(found(enumeration, q, probs, f).gradient, {-1, 3, 1}, "Enumeration");
  StraightThrough straight;
  expect_near(found(straight, q, probs, f).gradient, {-1, 3, 1}, "StraightThrough");
  // Of the possible outcomes only: f_i - E f, where i = 2 is missing.
  UnorderedSet set({.samples = 2, .baseline = false});
  expect_near(found(set, q, probs, f).gradient, {-1, -2, 1}, "UnorderedSet");
  std::vector<std::shared_ptr<Estimator>> others = {
      std::make_shared<ScoreFunction>(ScoreFunctionOptions{.samples = 3}),
      std::make_shared<Concrete>(RelaxationOptions{.samples = 3}),
      std::make_shared<StraightThroughGumbel>(RelaxationOptions{.samples = 3}),
      std::make_shared<Rebar>(RebarOptions{.samples = 3}),
      std::make_shared<Arms>(ArmsOptions{.samples = 3}),
      std::make_shared<DoubleControlVariates>(DoubleControlVariatesOptions{.samples = 3}),
      std::make_shared<Relax>(RelaxOptions{
          .samples = 3, .control_variate = [](const Tensor& z) { return z.sigmoid().sum(-1); }})};
  for (const auto& estimator : others) {
    const Found got = found(*estimator, q, probs, f);
    EXPECT_TRUE(got.gradient.isfinite().all().item<bool>()) << estimator->name() << got.gradient;
    EXPECT_TRUE(got.value.isfinite().all().item<bool>()) << estimator->name();
  }
}

/// E f of coins is a polynomial of their probabilities, whose derivative is that by one of them
/// with the coin turned.
TEST(Certain, CoinsTogether) {
  const Function f = [](const Tensor& x) {
    return x.select(-1, 0) * x.select(-1, 1) + 3 * x.select(-1, 1) - 2 * x.select(-1, 2) +
           x.select(-1, 0) * x.select(-1, 2);
  };
  const Tensor probs = leaf({0, 0.5, 1});
  Enumeration enumeration;
  const Found got = found(enumeration, Independent(Bernoulli{probs}, 1), probs, f);
  expect_near(got.gradient, {0.5 + 1, 0 + 3, -2 + 0}, "Enumeration");
  expect_near(got.value, {1.5 - 2}, "value");
  const Tensor p = leaf({0, 1, 0.25});
  const Found counts =
      found(enumeration, Binomial(3, p), p, [](const Tensor& k) { return k.square(); });
  // E k^2 = 3 p (1 - p) + 9 p^2
  expect_near(counts.gradient, {3, 15, 6}, "Binomial");
}

TEST(Certain, AnEmptyBatch) {
  const Function f = [](const Tensor& x) { return 1.5 * x + 7; };
  auto all = of_bits();
  all.push_back(std::make_shared<Enumeration>());
  all.push_back(std::make_shared<StraightThrough>());
  all.push_back(std::make_shared<ScoreFunction>());
  all.push_back(std::make_shared<ScoreFunction>(
      ScoreFunctionOptions{.samples = 4, .baseline = baselines::ControlVariate{}}));
  all.push_back(std::make_shared<UnorderedSet>());
  all.push_back(std::make_shared<SumAndSample>());
  for (const auto& estimator : all) {
    const Tensor logits = at::empty({0}, at::kDouble).set_requires_grad(true);
    const Found got = found(*estimator, Bernoulli{Logits(logits)}, logits, f);
    EXPECT_EQ(got.gradient.sizes(), IntArrayRef({0})) << estimator->name();
    EXPECT_EQ(got.value.sizes(), IntArrayRef({0})) << estimator->name();
  }
}

TEST(Certain, EntropyHasNoGradientThere) {
  const Tensor probs = leaf({0.5, 0, 0.5});
  const Tensor entropy = OneHotCategorical{probs}.entropy();
  EXPECT_NEAR(entropy.item<double>(), std::log(2.0), 1e-15);
  entropy.backward();
  expect_near(probs.grad(), {0, 0, 0}, "categories");
  const Tensor p = leaf({0, 1, 0.25});
  Bernoulli{p}.entropy().sum().backward();
  expect_near(p.grad(), {0, 0, std::log(3.0)}, "coins");
}

}  // namespace
}  // namespace partita::estimators
