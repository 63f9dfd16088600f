// SPDX-License-Identifier: Apache-2.0
// icdf and isf of every univariate distribution: the inverses of its tails, to the last digits,
// with gradients of first and second order.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::doubles;
using testing::number;
using Distributions = std::vector<DistributionPtr>;

template <class D>
DistributionPtr of(std::initializer_list<double> p) {
  const std::vector<double> v(p);
  if constexpr (std::is_constructible_v<D, double, double, double>) {
    if (v.size() == 3) return std::make_shared<D>(number(v[0]), v[1], v[2]);
  }
  if constexpr (std::is_constructible_v<D, double, double>) {
    if (v.size() == 2) return std::make_shared<D>(number(v[0]), v[1]);
  }
  if constexpr (std::is_constructible_v<D, double>) {
    if (v.size() == 1) return std::make_shared<D>(number(v[0]));
  }
  return nullptr;
}

DistributionPtr mixture(const AnyDistribution& components) {
  return std::make_shared<MixtureSameFamily>(Categorical(doubles({0.3, 0.7})), components);
}

DistributionPtr transformed(const AnyDistribution& base, std::vector<AnyTransform> transforms) {
  return std::make_shared<TransformedDistribution>(base, std::move(transforms));
}

Distributions continuous() {
  return {of<Beta>({0.7, 2.5}),
          of<Beta>({40, 3000}),
          of<Beta>({0.02, 0.01}),
          of<Cauchy>({0.5, 2}),
          of<Chi2>({3.5}),
          of<ContinuousBernoulli>({0.3}),
          of<Exponential>({1.5}),
          of<FisherSnedecor>({3, 5}),
          of<FisherSnedecor>({0.1, 200}),
          of<Gamma>({2.5, 1.5}),
          of<Gamma>({0.01, 3}),
          of<Gamma>({1e5, 1}),
          of<Gumbel>({0.5, 2}),
          of<HalfCauchy>({1.5}),
          of<HalfNormal>({1.5}),
          of<InverseGamma>({2.5, 1.5}),
          of<InverseGamma>({0.1, 3}),
          of<Kumaraswamy>({0.7, 2.5}),
          of<Laplace>({0.5, 2}),
          of<LogNormal>({0.5, 0.8}),
          of<Normal>({0.5, 2}),
          of<Pareto>({0.5, 2.5}),
          of<StudentT>({3.5, 0.5, 2}),
          of<StudentT>({0.3, -100, 2}),
          of<StudentT>({1e6, 1e6, 2}),
          of<TruncatedGumbel>({0.5, 2, 3}),
          of<Uniform>({-0.5, 2}),
          of<VonMises>({0.5, 2}),
          of<VonMises>({-3, 1e4}),
          of<Weibull>({1.5, 2.5}),
          mixture(Normal(doubles({-30, 2}), doubles({1, 0.1}))),
          mixture(Gamma(doubles({0.1, 20}), 2)),
          transformed(Gamma(number(2.5), 1.5), {AffineTransform(1, -2)}),
          transformed(Normal(number(0), 2), {ExpTransform()}),
          std::make_shared<RelaxedBernoulli>(number(0.7), 0.3)};
}

Distributions discrete() {
  return {std::make_shared<Bernoulli>(number(0.5)),
          std::make_shared<Bernoulli>(number(1e-20)),
          std::make_shared<Binomial>(10, number(0.5)),
          std::make_shared<Binomial>(100000, number(0.3)),
          std::make_shared<Categorical>(doubles({0.25, 0, 0.5, 0.25})),
          std::make_shared<Geometric>(number(0.25)),
          std::make_shared<Geometric>(number(1e-6)),
          std::make_shared<NegativeBinomial>(number(2.5), number(0.75)),
          std::make_shared<Poisson>(number(3)),
          std::make_shared<Poisson>(number(1e6)),
          std::make_shared<Rademacher>(IntArrayRef{}, at::TensorOptions(at::kDouble)),
          mixture(Poisson(doubles({1, 50}))),
          transformed(Poisson(number(3)), {AffineTransform(1, 2)}),
          transformed(Poisson(number(3)), {AffineTransform(number(0.1), -0.3)}),
          transformed(Bernoulli(number(0.5)), {AffineTransform(0, -1)}),
          transformed(Poisson(number(3)), {AffineTransform(1, 2), AffineTransform(0, -0.1)})};
}

TEST(Quantile, InvertsBothTails) {
  const Tensor p = doubles({1e-300, 1e-30, 1e-8, 0.01, 0.3, 0.5, 0.75, 0.99, 1 - 0x1p-30});
  for (const DistributionPtr& q : continuous()) {
    const bool has_slack = q->log_prob(q->icdf(number(0.3))).isfinite().item<bool>();
    ASSERT_TRUE(has_slack) << q->to_string();
    const auto check = [&](const Tensor& x, const Tensor& tail, const Tensor& expected,
                           const char* method) {
      // What the rounding of x, and of numbers of its support's size, is worth.
      const Tensor ends = q->icdf(doubles({0.001, 0.999})).abs().amax();
      const Tensor size = at::maximum(x.abs(), 1e-1 * ends.minimum(x.abs() * 1e300));
      const Tensor worth = (q->log_prob(x) - tail).exp() * size * 4e-16;
      const Tensor error = (tail - expected).abs() - worth;
      // At an end, or at the largest number, there is no room for small probabilities.
      const auto is_near = [&](double p0) {
        return (x - q->icdf(number(p0))).abs() <= 4e-16 * x.abs();
      };
      const Tensor at_end = is_near(0).logical_or(is_near(1)).logical_or(x.abs() > 1e300);
      EXPECT_LT((error / expected.abs().clamp_min(1)).masked_fill(at_end, 0).max().item<double>(),
                1e-11)
          << q->to_string() << " " << method << x << error;
    };
    const Tensor low = q->icdf(p);
    const Tensor high = q->isf(p);
    const Tensor small = p <= 0.5;
    check(low.masked_select(small), q->log_cdf(low.masked_select(small)),
          p.masked_select(small).log(), "icdf");
    check(low.masked_select(small.logical_not()),
          q->log_survival(low.masked_select(small.logical_not())),
          at::log1p(-p.masked_select(small.logical_not())), "icdf");
    check(high.masked_select(small), q->log_survival(high.masked_select(small)),
          p.masked_select(small).log(), "isf");
    check(high.masked_select(small.logical_not()),
          q->log_cdf(high.masked_select(small.logical_not())),
          at::log1p(-p.masked_select(small.logical_not())), "isf");
  }
}

/// The least value with P(X <= x) >= p (or P(X > x) <= q), among the first of the sorted values.
double by_definition(const Distribution& q, const Tensor& values, double p, bool upper) {
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const Tensor x = values[i];
    if (upper ? q.log_survival(x).exp().item<double>() <= p * (1 + 1e-12)
              : q.cdf(x).item<double>() >= p * (1 - 1e-12)) {
      return x.item<double>();
    }
  }
  return std::nan("");
}

TEST(Quantile, OfCountsIsTheLeastThatReachesIt) {
  for (const DistributionPtr& q : discrete()) {
    // Values around the middle, in order.
    Tensor values = std::get<0>(at::_unique(q->sample({4000}, Stream{.seed = 3}).to(at::kDouble)));
    if (values.numel() > 300) values = values.slice(0, 0, values.numel(), values.numel() / 100);
    for (std::int64_t i = 1; i + 1 < values.numel(); ++i) {
      const Tensor p = q->cdf(values[i]);
      const Tensor s = q->log_survival(values[i]).exp();
      // There and back: at a value's own probability, and a little to either side.
      EXPECT_EQ(q->icdf(p).item<double>(), values[i].item<double>()) << q->to_string();
      EXPECT_EQ(q->isf(s).item<double>(), values[i].item<double>()) << q->to_string();
      EXPECT_EQ(q->icdf(p * (1 - 1e-9)).item<double>(), values[i].item<double>()) << q->to_string();
      EXPECT_GT(q->icdf(p + (1 - p) * 1e-6).item<double>(), values[i].item<double>())
          << q->to_string();
      EXPECT_GT(q->isf(s * (1 - 1e-6)).item<double>(), values[i].item<double>()) << q->to_string();
    }
    const double low = q->icdf(number(0)).item<double>();
    EXPECT_LE(low, values.min().item<double>()) << q->to_string();
    EXPECT_GE(q->icdf(number(1)).item<double>(), values.max().item<double>()) << q->to_string();
    EXPECT_EQ(q->isf(number(1)).item<double>(), low) << q->to_string();
  }
}

TEST(Quantile, OfAFairCoin) {
  const Bernoulli coin(number(0.5));
  EXPECT_EQ(coin.icdf(number(0.5)).item<double>(), 0);
  EXPECT_EQ(coin.icdf(number(0.5000001)).item<double>(), 1);
  EXPECT_EQ(coin.isf(number(0.5)).item<double>(), 0);
  EXPECT_EQ(coin.isf(number(0.49)).item<double>(), 1);
  const DistributionPtr negative = transformed(coin, {AffineTransform(0, -1)});
  EXPECT_EQ(negative->icdf(number(0.5)).item<double>(), -1);
  EXPECT_EQ(negative->icdf(number(0.51)).item<double>(), 0);
}

TEST(Quantile, OfManyCoins) {
  const Tensor p = doubles({0, 1e-3, 0.3, 0.6, 1});
  const Binomial q(20, number(0.4));
  for (std::int64_t i = 0; i < p.numel(); ++i) {
    const double expected =
        i == 0 ? 0 : by_definition(q, at::arange(21, at::kDouble), p[i].item<double>(), false);
    EXPECT_EQ(q.icdf(p[i]).item<double>(), expected);
    const double from_above =
        i == 0 ? 20 : by_definition(q, at::arange(21, at::kDouble), p[i].item<double>(), true);
    EXPECT_EQ(q.isf(p[i]).item<double>(), from_above);
  }
}

TEST(Quantile, IsDifferentiableTwice) {
  const Tensor p = doubles({0.01, 0.2, 0.7, 0.99});
  testing::expect_gradient([](const auto& x) { return StudentT(x[1], x[2], x[3]).icdf(x[0]); },
                           {p, number(3.5), number(0.5), number(2)}, 1e-5);
  testing::expect_gradient([](const auto& x) { return Gamma(x[1], x[2]).isf(x[0]); },
                           {p, number(0.7), number(2)}, 1e-5);
  testing::expect_gradient([](const auto& x) { return Beta(x[1], x[2]).icdf(x[0]); },
                           {p, number(0.7), number(2)}, 1e-5);
  const auto mixed = [](const auto& x) {
    return MixtureSameFamily(Categorical(Logits(x[1])), Normal(x[2], 1.5)).icdf(x[0]);
  };
  const std::vector<Tensor> point = {p, doubles({0.3, -0.2}), doubles({-1, 4})};
  testing::expect_gradient(mixed, point, 1e-5);
  testing::expect_gradient(
      [&](const auto& x) {
        std::vector<Tensor> leaves;
        for (const Tensor& each : x) {
          leaves.push_back(each.requires_grad() ? each : each.detach().clone().requires_grad_());
        }
        const auto slopes = torch::autograd::grad({mixed(leaves).sum()}, leaves, {}, true, true);
        return (slopes[0] * at::arange(1, 5, at::kDouble)).sum() / 100 +
               (slopes[1] * doubles({1, 2})).sum() + (slopes[2] * doubles({3, 5})).sum();
      },
      {doubles({0.1, 0.2, 0.7, 0.9}), point[1], point[2]}, 1e-5);
}

TEST(Quantile, KeepsTypesAndShapes) {
  const Gamma q(at::full({3}, 2.F), at::ones({2, 1}));
  const Tensor p = at::full({4, 1, 1}, 0.3F);
  EXPECT_EQ(q.icdf(p).sizes(), IntArrayRef({4, 2, 3}));
  EXPECT_EQ(q.icdf(p).scalar_type(), at::kFloat);
  EXPECT_EQ(q.icdf(p.to(at::kDouble)).scalar_type(), at::kDouble);
  EXPECT_EQ(q.isf(at::zeros({0, 1, 1})).sizes(), IntArrayRef({0, 2, 3}));
  const Categorical c(at::full({4}, 0.25F));
  EXPECT_EQ(c.icdf(at::full({}, 0.6F)).scalar_type(), at::kLong);
  EXPECT_EQ(c.icdf(at::full({}, 0.6F)).item<std::int64_t>(), 2);
  EXPECT_EQ(partita::testing::message_of<InvalidArgument>(
                [] { (void)Dirichlet(at::ones({3})).icdf(at::ones({3})); }),
            "icdf: not available for Dirichlet: only univariate distributions have quantiles");
}

}  // namespace
}  // namespace partita::distributions
