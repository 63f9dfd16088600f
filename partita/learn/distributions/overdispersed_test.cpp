// SPDX-License-Identifier: Apache-2.0
// BetaBinomial, DirichletMultinomial, ZeroInflated and OrderedLogistic: draws, gradients, limits.
#include <gtest/gtest.h>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/beta_binomial.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/dirichlet_multinomial.hpp"
#include "partita/learn/distributions/multinomial.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/ordered_logistic.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/learn/distributions/zero_inflated.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::number;

TEST(BetaBinomial, Draws) {
  testing::expect_draws_follow_probabilities(BetaBinomial(number(10), 0.5, 2), 11);
  testing::expect_draws_follow_probabilities(BetaBinomial(number(7), 1e-3, 0.5), 8);
  testing::expect_prefix(BetaBinomial(number(10), 0.5, 2));
}

TEST(BetaBinomial, ApproachesTheBinomial) {
  const Tensor k = at::arange(11, at::kDouble);
  // Off by (k^2 + ...) / 1e15.
  EXPECT_TRUE(at::allclose(BetaBinomial(10, number(3e15), 7e15).log_prob(k),
                           Binomial(10, number(0.3)).log_prob(k), 1e-13, 1e-13));
}

TEST(BetaBinomial, Gradients) {
  testing::expect_gradient(
      [](const auto& p) {
        const BetaBinomial q(10, p[0], p[1]);
        const Tensor k = doubles({0, 3, 10});
        return q.log_prob(k) + q.cdf(doubles({0, 3, 9})) + q.log_survival(doubles({0, 3, 9})) +
               q.entropy() + q.variance();
      },
      {number(0.7), number(30)});
}

TEST(DirichletMultinomial, CountsAreBetaBinomial) {
  const DirichletMultinomial q(6, doubles({0.5, 1.5, 0.25}));
  const BetaBinomial first(number(6), 0.5, 1.75);
  const std::vector<double> p =
      testing::to_vector(first.log_prob(at::arange(7, at::kDouble)).exp());
  constexpr std::int64_t kDraws = 100'000;
  for (const Random& random : {Random(Stream{.seed = 5}), Random(testing::torch_generator(5))}) {
    const Tensor draws = q.sample({kDraws}, random);
    EXPECT_TRUE((draws.sum(-1) == 6).all().item<bool>());
    std::vector<double> observed(7);
    for (const double x : testing::to_vector(draws.select(-1, 0))) {
      ++observed[static_cast<std::size_t>(x)];
    }
    std::vector<double> expected;
    for (const double each : p) expected.push_back(each * kDraws);
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  }
  testing::expect_prefix(q);
}

TEST(DirichletMultinomial, SumsToOne) {
  const DirichletMultinomial q(4, doubles({0.5, 1.5, 0.25}));
  Tensor total = number(0);
  for (double a = 0; a <= 4; ++a) {
    for (double b = 0; a + b <= 4; ++b)
      total = total + q.log_prob(doubles({a, b, 4 - a - b})).exp();
  }
  EXPECT_NEAR(total.item<double>(), 1, 1e-14);
  testing::expect_gradient(
      [](const auto& p) {
        const DirichletMultinomial d(4, p[0]);
        return d.log_prob(doubles({1, 3, 0})) + d.entropy();
      },
      {doubles({0.5, 1.5, 30})});
}

TEST(DirichletMultinomial, EntropyByEnumeration) {
  const DirichletMultinomial q(doubles({4, 0, 1}).unsqueeze(-1),
                               doubles({0.5, 1.5, 0.25, 1e-3, 1e6, 2}).view({2, 3}));
  Tensor sum = at::zeros({3, 2}, at::kDouble);
  for (double a = 0; a <= 4; ++a) {
    for (double b = 0; a + b <= 4; ++b) {
      for (double c = 0; a + b + c <= 4; ++c) {
        const Tensor log_p = DirichletMultinomial(q.total_count(), q.concentration(), false)
                                 .log_prob(doubles({a, b, c}));
        sum = sum - (log_p.exp() * log_p).masked_fill(log_p == -kInfinity, 0);
      }
    }
  }
  EXPECT_TRUE(at::allclose(q.entropy(), sum, 1e-12, 1e-13)) << q.entropy() - sum;
  EXPECT_EQ(DirichletMultinomial(5, doubles({2})).entropy().item<double>(), 0);
}

TEST(ZeroInflated, EntropyByEnumeration) {
  const BetaBinomial counts(number(10), 0.5, 2);
  for (const double gate : {0.0, 1e-9, 0.25, 1.0}) {
    const ZeroInflated q(counts, number(gate));
    const Tensor log_p = q.log_prob(q.enumerate_support());
    const double sum =
        -(log_p.exp() * log_p).masked_fill(log_p == -kInfinity, 0).sum().item<double>();
    EXPECT_NEAR(q.entropy().item<double>(), sum, 1e-13) << gate;
  }
  testing::expect_gradient(
      [](const auto& p) {
        return ZeroInflated{Poisson(p[0]), Logits(p[1])}.entropy();
      },
      {number(3), number(-0.4)});
}

TEST(ZeroInflated, IsAMixture) {
  const ZeroInflated q(Poisson(number(3)), number(0.25));
  const Poisson base(number(3));
  const Tensor k = doubles({0, 1, 5});
  const Tensor zero = doubles({1, 0, 0});
  EXPECT_TRUE(
      at::allclose(q.log_prob(k), (0.25 * zero + 0.75 * base.log_prob(k).exp()).log(), 1e-13));
  EXPECT_TRUE(at::allclose(q.cdf(k), 0.25 + 0.75 * base.cdf(k), 1e-13));
  EXPECT_TRUE(at::allclose(q.log_survival(k), std::log(0.75) + base.log_survival(k), 1e-13));
  EXPECT_NEAR(q.mean().item<double>(), 2.25, 1e-15);
  EXPECT_NEAR(q.variance().item<double>(), 0.75 * (3 + 9) - 2.25 * 2.25, 1e-14);
  EXPECT_EQ(q.icdf(number(0.28)).item<double>(), 0);
  EXPECT_EQ(q.icdf(number(0.3)).item<double>(), 1);
  testing::expect_draws_follow_probabilities(q, 12);
  testing::expect_prefix(q);
}

TEST(ZeroInflated, EdgesAndGradients) {
  EXPECT_EQ(ZeroInflated(Poisson(number(3)), number(0.25)).to_string(),
            "ZeroInflated(Poisson(rate: 3), gate: 0.25)");
  EXPECT_EQ(ZeroInflated(Poisson(number(3)), number(1)).log_prob(number(0)).item<double>(), 0);
  EXPECT_EQ(ZeroInflated(Poisson(number(3)), number(1)).log_prob(number(2)).item<double>(),
            -kInfinity);
  EXPECT_NEAR(ZeroInflated(Poisson(number(3)), number(0)).log_prob(number(0)).item<double>(), -3,
              1e-15);
  testing::expect_gradient(
      [](const auto& p) {
        const ZeroInflated q{Poisson(p[0]), Logits(p[1])};
        return q.log_prob(doubles({0, 2})) + q.log_cdf(doubles({0, 2}));
      },
      {number(3), number(-0.4)});
  EXPECT_EQ(ZeroInflated(Poisson(at::ones({3})), at::full({2, 1}, 0.5)).batch_shape(),
            IntArrayRef({2, 3}));
  EXPECT_EQ(message_of<InvalidArgument>([] { ZeroInflated(Normal(0, 1), 0.5); }),
            "base: ZeroInflated: expected a univariate distribution of whole numbers, got "
            "Normal(loc: 0, scale: 1)");
}

TEST(OrderedLogistic, Draws) {
  const OrderedLogistic q(number(0.3), doubles({-1, 0, 2}));
  const std::vector<double> p = testing::to_vector(q.probs());
  constexpr std::int64_t kDraws = 100'000;
  for (const Random& random : {Random(Stream{.seed = 5}), Random(testing::torch_generator(5))}) {
    std::vector<double> observed(4);
    for (const double x : testing::to_vector(q.sample({kDraws}, random).to(at::kDouble))) {
      ++observed[static_cast<std::size_t>(x)];
    }
    std::vector<double> expected;
    for (const double each : p) expected.push_back(each * kDraws);
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  }
  testing::expect_prefix(q);
}

TEST(OrderedLogistic, ValuesAndGradients) {
  const OrderedLogistic q(number(0.3), doubles({-1, 0, 2}));
  EXPECT_NEAR(q.probs().sum().item<double>(), 1, 1e-15);
  EXPECT_TRUE(at::allclose(q.cdf(at::arange(4)), q.probs().cumsum(-1), 1e-14));
  EXPECT_EQ(q.icdf(number(0.9)).item<std::int64_t>(), 3);
  testing::expect_gradient(
      [](const auto& p) {
        const OrderedLogistic o(p[0], p[1]);
        return o.log_prob(at::tensor({0, 1, 3}, at::kLong)) +
               o.log_cdf(at::tensor({0, 1, 2}, at::kLong)) + o.entropy();
      },
      {number(0.3), doubles({-1, 0, 2})});
  EXPECT_EQ(message_of<InvalidArgument>([] {
              OrderedLogistic(0, doubles({1, 1}));
            }),
            "cutpoints: OrderedLogistic: expected a vector of increasing numbers, got [1, 1]");
}

}  // namespace
}  // namespace partita::distributions
