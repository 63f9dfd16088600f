// SPDX-License-Identifier: Apache-2.0
// Distributions that count: Bernoulli, Binomial, Geometric, NegativeBinomial, Poisson,
// Rademacher.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/geometric.hpp"
#include "partita/learn/distributions/negative_binomial.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/rademacher.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::expect_draws_follow_probabilities;
using testing::expect_prefix;
using testing::kInfinity;
using testing::number;
using testing::to_vector;

/// mean() and variance() are those of exp(log_prob) over 0 ... size - 1, which sums to 1; so is the
/// entropy, where there is one, and the mode is where log_prob is largest.
void expect_moments(const Distribution& q, std::int64_t size, bool has_entropy) {
  const Tensor k = at::arange(size, at::kDouble);
  const Tensor log_p = q.log_prob(k);
  const Tensor p = log_p.exp();
  EXPECT_NEAR(p.sum().item<double>(), 1, 1e-12) << q.to_string();
  const Tensor mean = (p * k).sum();
  const Tensor variance = (p * (k - mean).square()).sum();
  EXPECT_TRUE(at::allclose(q.mean(), mean, 1e-10, 1e-12)) << q.to_string();
  EXPECT_TRUE(at::allclose(q.variance(), variance, 1e-10, 1e-12)) << q.to_string();
  EXPECT_NEAR(q.log_prob(q.mode()).item<double>(), log_p.max().item<double>(), 1e-13)
      << q.to_string();
  if (has_entropy) {
    const Tensor entropy = -at::xlogy(p, p).sum();
    EXPECT_TRUE(at::allclose(q.entropy(), entropy, 1e-10, 1e-12)) << q.to_string();
  }
}

/// cdf, log_cdf and log_survival are the sums of exp(log_prob).
void expect_cdf(const Distribution& q, std::int64_t size, double tolerance = 1e-12) {
  const Tensor k = at::arange(size, at::kDouble);
  const Tensor sums = q.log_prob(k).exp().cumsum(0);
  EXPECT_TRUE(at::allclose(q.cdf(k), sums, tolerance, 1e-15)) << q.to_string();
  EXPECT_TRUE(at::allclose(q.log_cdf(k).exp(), sums, tolerance, 1e-15)) << q.to_string();
  EXPECT_TRUE(at::allclose(q.log_survival(k).exp(), 1 - sums, tolerance, 1e-14)) << q.to_string();
}

TEST(Bernoulli, GradientsAtImpossibleOutcomesAreFinite) {
  const Tensor p = doubles({0, 1, 0, 1, 0.3}).set_requires_grad(true);
  const Tensor log_prob = Bernoulli(p).log_prob(doubles({0, 1, 1, 0, 1}));
  EXPECT_TRUE(at::equal(log_prob, doubles({0, 0, -kInfinity, -kInfinity, std::log(0.3)})));
  log_prob.sum().backward();
  EXPECT_TRUE(at::allclose(p.grad(), doubles({-1, 1, 0, 0, 1 / 0.3})));
  p.mutable_grad().zero_();
  Bernoulli(p).entropy().sum().backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>());
  EXPECT_NEAR(p.grad()[4].item<double>(), std::log(0.7 / 0.3), 1e-14);
}

TEST(Bernoulli, LogitsOfAnySize) {
  const Tensor z = doubles({0, 50, -50, 800, -800, kInfinity, -kInfinity});
  // log(1 / (1 + e^-z)): -e^-50 at 50.
  const Tensor one = doubles({-M_LN2, -std::exp(-50), -50, 0, -800, 0, -kInfinity});
  const Tensor zero = doubles({-M_LN2, -50, -std::exp(-50), -800, 0, -kInfinity, 0});
  EXPECT_TRUE(at::allclose(Bernoulli(Logits(z)).log_prob(at::ones_like(z)), one, 1e-15, 0));
  EXPECT_TRUE(at::allclose(Bernoulli(Logits(z)).log_prob(at::zeros_like(z)), zero, 1e-15, 0));
  // Between 0 and 1, unchecked, as Python: linear in the value. Its gradient at logit 0 is v - p.
  const Tensor soft = doubles({0.25, 0.5, 1});
  testing::expect_gradient(
      [&](const auto& t) {
        return Bernoulli(Logits(t[0]), /*validate_args=*/false).log_prob(t[1]);
      },
      {doubles({0.1, 2, -3}), soft});
  const Tensor leaf = at::zeros({3}, at::kDouble).set_requires_grad(true);
  Bernoulli(Logits(leaf), false).log_prob(soft).sum().backward();
  EXPECT_TRUE(at::equal(leaf.grad(), soft - 0.5));
}

TEST(Binomial, Draws) {
  expect_draws_follow_probabilities(Binomial(5, 0.3), 6);
  expect_draws_follow_probabilities(Binomial(200, Logits(number(0.4))), 201);
  expect_draws_follow_probabilities(Binomial(100'000, 1e-4), 60);
  expect_prefix(Binomial(doubles({0, 3, 40, 5000}), 0.4));
}

TEST(Binomial, ProbabilitiesAndMoments) {
  for (const double p : {0.0, 1e-9, 0.3, 0.75, 1.0}) {
    for (const double n : {0.0, 1.0, 7.0, 40.0}) {
      expect_moments(Binomial(number(n), p), static_cast<std::int64_t>(n) + 1, true);
      expect_cdf(Binomial(number(n), number(p)), static_cast<std::int64_t>(n) + 1);
      expect_moments(Binomial(n, Logits(at::logit(number(p)))), static_cast<std::int64_t>(n) + 1,
                     true);
    }
  }
  // mpmath: log P(X > 900) of (1000, 0.1).
  EXPECT_NEAR(Binomial(1000, number(0.1)).log_survival(number(900)).item<double>(),
              -1765.33263908963558, 1e-9);
  // scipy.stats.binom.logpmf(4, 10, .3); single precision at large counts, (500000, 1e6, .5).
  EXPECT_NEAR(Binomial(10, number(0.3)).log_prob(number(4)).item<double>(), -1.6088333502186698,
              1e-14);
  EXPECT_FLOAT_EQ(Binomial(1e6, 0.5).log_prob(at::scalar_tensor(5e5)).item<float>(),
                  -7.13354688230902F);
}

TEST(Binomial, CountsMayDifferOverTheBatch) {
  const Binomial q(at::tensor({0, 3, 10}), 0.25);  // integers, as in Python
  EXPECT_EQ(q.options().dtype(), at::kFloat);
  const Tensor entropies = q.entropy();
  for (const std::int64_t i : {0, 1, 2}) {
    const Binomial one(q.total_count()[i], 0.25);
    EXPECT_TRUE(at::allclose(entropies[i], one.entropy()));
  }
  EXPECT_FALSE(q.has_enumerate_support());
  EXPECT_EQ(message_of<InvalidArgument>([&] { q.enumerate_support(); }),
            "enumerate_support: not available for Binomial: total_count differs over the batch");
  EXPECT_EQ(Binomial(4, at::full({2, 3}, 0.5)).enumerate_support().sizes(), IntArrayRef({5, 2, 3}));
  EXPECT_EQ(Binomial(4, at::full({2, 3}, 0.5)).enumerate_support(false).sizes(),
            IntArrayRef({5, 1, 1}));
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              q.log_prob(doubles({0, 1, 11}));
            }),
            "value: Binomial(total_count: [3], probs: [3]): expected a whole number in [0, "
            "total_count], got 11 at [2]");
  EXPECT_EQ(message_of<InvalidArgument>([] { Binomial(2.5, 0.5); }),
            "total_count: Binomial: expected a whole number >= 0, got 2.5");
}

TEST(Binomial, Gradients) {
  testing::expect_gradient(
      [](const auto& t) {
        const Binomial q(5, t[0]);
        const Tensor k = doubles({0, 2, 5});
        return q.log_prob(k) + q.entropy() + q.log_cdf(k);
      },
      {doubles({0.2, 0.5, 0.9})});
  testing::expect_gradient(
      [](const auto& t) {
        const Binomial q(doubles({3, 4, 5}), Logits(t[0]));
        return q.log_prob(doubles({0, 2, 5})) + q.entropy();
      },
      {doubles({-3, 0.5, 4})});
  const Tensor p = doubles({0, 1, 0}).set_requires_grad(true);
  const Binomial q(3, p);
  (q.log_prob(doubles({0, 3, 2})) + q.entropy()).sum().backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>()) << p.grad();
}

TEST(Geometric, Draws) {
  expect_draws_follow_probabilities(Geometric(0.3), 30);
  expect_draws_follow_probabilities(Geometric(Logits(number(2))), 10);
  expect_draws_follow_probabilities(Geometric(1), 3);
  expect_prefix(Geometric(doubles({0.1, 0.9})));
  // With p = 1e-9 in single precision, draws / 1e9 are exponential. Python's float32 uniform ends
  // at 1.2e-7 from 1 and leaves the draws 1.2e8 apart.
  const Tensor scaled =
      Geometric(at::scalar_tensor(1e-9F)).sample({200'000}, Stream{.seed = 4}).to(at::kDouble);
  EXPECT_GT(partita::ks_p_value(to_vector(scaled * 1e-9), [](double x) { return -std::expm1(-x); }),
            kFalseAlarm);
}

TEST(Geometric, ProbabilitiesAndMoments) {
  for (const double p : {0.3, 0.75, 1.0}) {
    expect_moments(Geometric(number(p)), 200, true);
    expect_moments(Geometric(Logits(at::logit(number(p)))), 200, true);
    expect_cdf(Geometric(number(p)), 200);
  }
  EXPECT_EQ(Geometric(number(1)).log_prob(number(3)).item<double>(), -kInfinity);
  EXPECT_EQ(message_of<InvalidArgument>([] { Geometric(0.0); }),
            "probs: Geometric: expected a number in (0, 1], got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { Geometric(Logits(-kInfinity)); }),
            "logits: Geometric: expected a number > -inf, got -inf");
}

TEST(Geometric, TailsDoNotUnderflow) {
  const Geometric q(number(0.5));
  EXPECT_DOUBLE_EQ(q.log_survival(number(4999)).item<double>(), 5000 * std::log(0.5));
  // The exponent, -69.3, is off by half a unit in its last place: 7e-15.
  EXPECT_NEAR(std::ldexp(q.log_cdf(number(99)).item<double>(), 100), -1, 1e-14);
  EXPECT_DOUBLE_EQ(Geometric(number(1e-300)).log_cdf(number(0)).item<double>(), std::log(1e-300));
}

TEST(Geometric, Gradients) {
  testing::expect_gradient(
      [](const auto& t) {
        const Geometric q(t[0]);
        const Tensor k = doubles({0, 2, 5});
        return q.log_prob(k) + q.entropy() + q.log_cdf(k) + 2 * q.log_survival(k);
      },
      {doubles({0.2, 0.5, 0.9})});
  const Tensor p = doubles({1, 1}).set_requires_grad(true);
  const Geometric q(p);
  (q.log_prob(doubles({0, 2})) + q.entropy() + q.log_cdf(doubles({0, 2}))).sum().backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>()) << p.grad();
}

TEST(NegativeBinomial, Draws) {
  expect_draws_follow_probabilities(NegativeBinomial(3, 0.3), 30);
  expect_draws_follow_probabilities(NegativeBinomial(0.05, Logits(number(1))), 40);
  expect_draws_follow_probabilities(NegativeBinomial(50, 0.9), 900);
  const NegativeBinomial edges(doubles({0, 3}), doubles({0.5, 0}));
  EXPECT_TRUE(at::equal(edges.sample({100}, Stream{}), at::zeros({100, 2}, at::kDouble)));
  expect_prefix(NegativeBinomial(doubles({0.1, 3, 40}), 0.7));
}

TEST(NegativeBinomial, ProbabilitiesAndMoments) {
  for (const double r : {0.0, 0.05, 1.0, 7.5}) {
    for (const double p : {0.0, 0.3, 0.75}) {
      expect_moments(NegativeBinomial(number(r), p), 300, false);
      expect_cdf(NegativeBinomial(number(r), number(p)), 300);
      expect_moments(NegativeBinomial(r, Logits(at::logit(number(p)))), 300, false);
    }
  }
  EXPECT_EQ(NegativeBinomial(number(0), 0.5).log_prob(number(2)).item<double>(), -kInfinity);
  // scipy.stats.nbinom.logpmf(4, 2.5, .7), whose probability is that of a failure.
  EXPECT_NEAR(NegativeBinomial(2.5, number(0.3)).log_prob(number(4)).item<double>(),
              -3.5077532181142987, 1e-14);
  // r = 1 is a geometric that stops at a failure.
  const Tensor k = at::arange(20, at::kDouble);
  EXPECT_TRUE(at::allclose(NegativeBinomial(number(1), 0.3).log_prob(k),
                           Geometric(number(0.7)).log_prob(k)));
  EXPECT_EQ(message_of<InvalidArgument>([] { NegativeBinomial(2, 1.0); }),
            "probs: NegativeBinomial: expected a number in [0, 1), got 1");
}

TEST(NegativeBinomial, Gradients) {
  testing::expect_gradient(
      [](const auto& t) {
        return NegativeBinomial(t[0], t[1]).log_prob(doubles({0, 2, 5}));
      },
      {doubles({0.3, 2, 10}), doubles({0.2, 0.5, 0.9})});
  const Tensor r = doubles({0, 0, 2}).set_requires_grad(true);
  const Tensor p = doubles({0.5, 0.5, 0}).set_requires_grad(true);
  NegativeBinomial(r, p).log_prob(doubles({0, 2, 0})).sum().backward();
  EXPECT_TRUE(r.grad().isfinite().all().item<bool>()) << r.grad();
  EXPECT_TRUE(at::allclose(p.grad(), doubles({0, 0, -2}))) << p.grad();
}

TEST(Poisson, Draws) {
  expect_draws_follow_probabilities(Poisson(3.5), 20);
  expect_draws_follow_probabilities(Poisson(1000), 1300);
  expect_draws_follow_probabilities(Poisson(0), 2);
  expect_prefix(Poisson(doubles({0.1, 3, 4000})));
}

TEST(Poisson, ProbabilitiesAndMoments) {
  for (const double rate : {0.0, 1e-3, 0.5, 3.0, 25.5}) {
    expect_moments(Poisson(number(rate)), 200, false);
    expect_cdf(Poisson(number(rate)), 200);
  }
  // scipy.stats.poisson.logpmf(1e6, 1e6), in single precision.
  EXPECT_FLOAT_EQ(Poisson(1e6).log_prob(at::scalar_tensor(1e6)).item<float>(), -7.826693896204233F);
  // mpmath: far tails, which are 0 as numbers.
  EXPECT_NEAR(Poisson(number(1000)).log_cdf(number(100)).item<double>(), -672.858610287265523,
              1e-9);
  EXPECT_NEAR(Poisson(number(1000)).log_survival(number(3000)).item<double>(), -1301.45291262470853,
              1e-9);
  EXPECT_EQ(message_of<InvalidArgument>([] { Poisson(-1); }),
            "rate: Poisson: expected a number >= 0, got -1");
}

TEST(Poisson, Gradients) {
  testing::expect_gradient(
      [](const auto& t) {
        const Poisson q(t[0]);
        const Tensor k = doubles({0, 2, 5});
        return q.log_prob(k) + q.cdf(k) + q.log_survival(k);
      },
      {doubles({0.3, 2, 10})});
  const Tensor rate = doubles({0, 0}).set_requires_grad(true);
  Poisson(rate).log_prob(doubles({0, 2})).sum().backward();
  EXPECT_TRUE(at::equal(rate.grad(), doubles({-1, -1}))) << rate.grad();
}

TEST(Rademacher, IsAFairCoin) {
  const Rademacher q({2}, at::kDouble);
  EXPECT_EQ(q.sample({3}, Stream{}).sizes(), IntArrayRef({3, 2}));
  for (const Random& random :
       {Random(Stream{.seed = 12, .id = 4}), Random(testing::torch_generator(12))}) {
    const Tensor draws = q.sample({100'000}, random);
    EXPECT_TRUE((draws.abs() == 1).all().item<bool>());
    // The sums of 1e5 signs have standard deviation 316; the two columns are independent.
    const double bound = kFiveSigma * std::sqrt(1e5);
    EXPECT_LT(draws.sum(0).abs().max().item<double>(), bound);
    EXPECT_LT(draws.prod(-1).sum().abs().item<double>(), bound);
  }
  EXPECT_TRUE(at::equal(q.log_prob(doubles({-1})), doubles({-M_LN2, -M_LN2})));
  EXPECT_TRUE(at::equal(q.cdf(doubles({-1, 1})), doubles({0.5, 1})));
  EXPECT_TRUE(at::equal(q.enumerate_support(), doubles({-1, -1, 1, 1}).view({2, 2})));
  EXPECT_TRUE(at::equal(q.variance(), doubles({1, 1})));
  EXPECT_TRUE(q.mode().isnan().all().item<bool>());
  EXPECT_EQ(q.expand({3, 2})->sample({5}, Stream{}).sizes(), IntArrayRef({5, 3, 2}));
  EXPECT_EQ(Rademacher().sample(Stream{}).scalar_type(), at::kFloat);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              q.log_prob(doubles({0, 1}));
            }),
            "value: Rademacher(): expected -1 or 1, got 0 at [0]");
  EXPECT_EQ(message_of<InvalidArgument>([] { Rademacher({}, at::kLong); }),
            "options: Rademacher: expected a floating-point type, got Long");
  EXPECT_THROW(q.rsample(Stream{}), InvalidArgument);
}

}  // namespace
}  // namespace partita::distributions
