// SPDX-License-Identifier: Apache-2.0
// What holds for every distribution: second derivatives of log_prob, batches and values that
// broadcast, and other devices.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::doubles;
using Tensors = std::vector<Tensor>;

struct Case {
  std::string name;
  std::function<DistributionPtr(const Tensors&)> make;
  Tensors parameters;
  Tensor value;
};

using testing::number;
template <class D>
Case univariate(const std::string& name, const std::vector<double>& parameters, double value) {
  Tensors tensors;
  for (const double p : parameters) tensors.push_back(number(p));
  const auto make = [](const Tensors& p) -> DistributionPtr {
    if constexpr (std::is_constructible_v<D, Tensor, Tensor, Tensor>) {
      if (p.size() == 3) return std::make_shared<D>(p[0], p[1], p[2]);
    }
    if constexpr (std::is_constructible_v<D, Tensor, Tensor>) {
      if (p.size() == 2) return std::make_shared<D>(p[0], p[1]);
    }
    if constexpr (std::is_constructible_v<D, Tensor>) {
      if (p.size() == 1) return std::make_shared<D>(p[0]);
    }
    ADD_FAILURE() << "no constructor of " << p.size() << " parameters";
    return nullptr;
  };
  return {name, make, tensors, number(value)};
}

template <class D>
Case from_logits(const std::string& name, const Tensor& logits, const Tensor& value) {
  return {
      name, [](const Tensors& p) { return std::make_shared<D>(Logits(p[0])); }, {logits}, value};
}

std::vector<Case> continuous() {
  std::vector<Case> cases = {
      univariate<Beta>("Beta", {0.7, 2.5}, 0.3),
      univariate<Cauchy>("Cauchy", {0.5, 2}, 1.5),
      univariate<Chi2>("Chi2", {3.5}, 2),
      univariate<ContinuousBernoulli>("ContinuousBernoulli", {0.3}, 0.6),
      univariate<Exponential>("Exponential", {1.5}, 0.7),
      univariate<FisherSnedecor>("FisherSnedecor", {3, 5}, 1.2),
      univariate<Frechet>("Frechet", {1.5, 2.5}, 0.7),
      univariate<Gamma>("Gamma", {2.5, 1.5}, 0.8),
      univariate<GeneralizedExtremeValue>("GeneralizedExtremeValue", {0.5, 2, 0.3}, 1.5),
      univariate<GeneralizedPareto>("GeneralizedPareto", {0.5, 2, -0.3}, 1.5),
      univariate<Gumbel>("Gumbel", {0.5, 2}, 1.5),
      univariate<HalfCauchy>("HalfCauchy", {1.5}, 0.7),
      univariate<HalfNormal>("HalfNormal", {1.5}, 0.7),
      univariate<InverseGamma>("InverseGamma", {2.5, 1.5}, 0.8),
      univariate<Kumaraswamy>("Kumaraswamy", {0.7, 2.5}, 0.3),
      univariate<Laplace>("Laplace", {0.5, 2}, 1.5),
      univariate<Logistic>("Logistic", {0.5, 2}, 1.5),
      univariate<LogNormal>("LogNormal", {0.5, 0.8}, 1.5),
      univariate<Normal>("Normal", {0.5, 2}, 1.5),
      univariate<Pareto>("Pareto", {0.5, 2.5}, 1.5),
      univariate<StudentT>("StudentT", {3.5, 0.5, 2}, 1.5),
      univariate<TruncatedGumbel>("TruncatedGumbel", {0.5, 2, 3}, 1.5),
      univariate<Uniform>("Uniform", {-0.5, 2}, 1.5),
      univariate<VonMises>("VonMises", {0.5, 2}, 1.5),
      univariate<Weibull>("Weibull", {1.5, 2.5}, 0.7),
  };
  cases.push_back({"Dirichlet",
                   [](const Tensors& p) { return std::make_shared<Dirichlet>(p[0]); },
                   {doubles({0.5, 1.5, 2.5})},
                   doubles({0.2, 0.5, 0.3})});
  cases.push_back({"LogisticNormal",
                   [](const Tensors& p) { return std::make_shared<LogisticNormal>(p[0], p[1]); },
                   {doubles({0.5, -0.3}), doubles({1, 0.7})},
                   doubles({0.2, 0.5, 0.3})});
  cases.push_back({"LKJCholesky",
                   [](const Tensors& p) { return std::make_shared<LKJCholesky>(2, p[0]); },
                   {number(0.7)},
                   doubles({1, 0, 0.6, 0.8}).view({2, 2})});
  cases.push_back(
      {"TruncatedNormal",
       [](const Tensors& p) { return std::make_shared<TruncatedNormal>(p[0], p[1], p[2], p[3]); },
       {number(0.5), number(2), number(-1), number(3)},
       number(1.5)});
  cases.push_back(
      {"Wishart",
       [](const Tensors& p) { return std::make_shared<Wishart>(p[0], ScaleTril(p[1].tril())); },
       {number(3.5), doubles({1.2, 0, 0.4, 0.7}).view({2, 2})},
       doubles({2, 0.3, 0.3, 1}).view({2, 2})});
  cases.push_back(
      {"RelaxedBernoulli",
       [](const Tensors& p) { return std::make_shared<RelaxedBernoulli>(p[0], Logits(p[1])); },
       {number(0.7), number(0.4)},
       number(0.3)});
  cases.push_back(
      {"ExpRelaxedCategorical",
       [](const Tensors& p) { return std::make_shared<ExpRelaxedCategorical>(p[0], Logits(p[1])); },
       {number(0.7), doubles({0.4, -0.3, 1})},
       doubles({0.2, 0.5, 0.3}).log()});
  cases.push_back({"MultivariateNormal",
                   [](const Tensors& p) {
                     return std::make_shared<MultivariateNormal>(p[0], ScaleTril(p[1].tril()));
                   },
                   {doubles({0.5, -1}), doubles({1.2, 0, 0.4, 0.7}).view({2, 2})},
                   doubles({0.3, 0.2})});
  cases.push_back({"LowRankMultivariateNormal",
                   [](const Tensors& p) {
                     return std::make_shared<LowRankMultivariateNormal>(p[0], p[1], p[2]);
                   },
                   {doubles({0.5, -1}), doubles({1.2, 0.4}).view({2, 1}), doubles({0.5, 0.8})},
                   doubles({0.3, 0.2})});
  return cases;
}

std::vector<Case> discrete() {
  const Tensor logits = doubles({0.4, -0.3, 1});
  return {
      from_logits<Bernoulli>("Bernoulli", number(0.4), number(1)),
      from_logits<Geometric>("Geometric", number(0.4), number(3)),
      from_logits<Categorical>("Categorical", logits, at::scalar_tensor(2, at::kLong)),
      from_logits<OneHotCategorical>("OneHotCategorical", logits, doubles({0, 1, 0})),
      from_logits<PlackettLuce>("PlackettLuce", logits, at::tensor({2, 0, 1}, at::kLong)),
      univariate<Poisson>("Poisson", {2.5}, 3),
      {"Subset",
       [](const Tensors& p) { return std::make_shared<Subset>(Logits(p[0]), 2); },
       {logits},
       doubles({1, 0, 1})},
      {"BetaBinomial",
       [](const Tensors& p) { return std::make_shared<BetaBinomial>(5, p[0], p[1]); },
       {number(0.7), number(30)},
       number(3)},
      {"DirichletMultinomial",
       [](const Tensors& p) { return std::make_shared<DirichletMultinomial>(4, p[0]); },
       {doubles({0.7, 30, 2})},
       doubles({1, 1, 2})},
      {"OrderedLogistic",
       [](const Tensors& p) { return std::make_shared<OrderedLogistic>(p[0], p[1]); },
       {number(0.4), doubles({-1, 0, 2})},
       at::scalar_tensor(1, at::kLong)},
      {"ZeroInflated",
       [](const Tensors& p) { return std::make_shared<ZeroInflated>(Poisson(p[0]), Logits(p[1])); },
       {number(2.5), number(0.4)},
       number(0)},
      {"Binomial",
       [](const Tensors& p) { return std::make_shared<Binomial>(5, Logits(p[0])); },
       {number(0.4)},
       number(3)},
      {"NegativeBinomial",
       [](const Tensors& p) { return std::make_shared<NegativeBinomial>(p[0], Logits(p[1])); },
       {number(2.5), number(0.4)},
       number(3)},
      {"Multinomial",
       [](const Tensors& p) { return std::make_shared<Multinomial>(4, Logits(p[0])); },
       {logits},
       doubles({1, 1, 2})},
  };
}

TEST(EveryDistribution, LogProbHasSecondDerivatives) {
  const auto check = [](const Case& each, bool by_value) {
    SCOPED_TRACE(each.name);
    Tensors point = each.parameters;
    if (by_value) point.push_back(each.value);
    const auto log_prob = [&](const Tensors& at) {
      const Tensors parameters(at.begin(),
                               at.begin() + static_cast<std::ptrdiff_t>(each.parameters.size()));
      return each.make(parameters)->log_prob(by_value ? at.back() : each.value);
    };
    // A sum of all first derivatives, each with a weight of its own.
    const auto slope = [&](const Tensors& at) {
      Tensors leaves;
      for (const Tensor& t : at) {
        leaves.push_back(t.requires_grad() ? t : t.detach().clone().set_requires_grad(true));
      }
      const auto gradients =
          torch::autograd::grad({log_prob(leaves).sum()}, leaves, {}, true, true);
      Tensor sum = number(0);
      double weight = 1;
      for (const Tensor& g : gradients) {
        sum = sum + weight * (g * at::arange(1, g.numel() + 1, at::kDouble).view(g.sizes())).sum();
        weight += 0.7;
      }
      return sum;
    };
    testing::expect_gradient(log_prob, point);
    testing::expect_gradient(slope, point, 1e-6);
  };
  for (const Case& each : continuous()) {
    // A simplex or a matrix has no room to move one coordinate; the slope of a Uniform is 0 without
    // a graph.
    const std::set<std::string> fixed = {"Dirichlet", "LogisticNormal", "LKJCholesky", "Uniform",
                                         "Wishart"};
    check(each, !fixed.contains(each.name));
  }
  for (const Case& each : discrete()) check(each, /*by_value=*/false);
}

// Dimensions of 1 stand anywhere, in the batch or in the value, with a gradient and without.
TEST(EveryDistribution, LogProbBroadcastsBatchesAndValues) {
  std::vector<Case> cases = continuous();
  for (Case& each : discrete()) cases.push_back(std::move(each));
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    Tensors others;
    for (const Tensor& p : each.parameters) others.push_back(p * 1.01);
    const Tensor first = each.make(each.parameters)->log_prob(each.value);
    const Tensor second = each.make(others)->log_prob(each.value);
    const Tensor expected = at::stack({first, second}).view({2, 1});
    for (const bool records : {false, true}) {
      Tensors batch;  // of shape [2, 1]
      for (std::size_t i = 0; i < others.size(); ++i) {
        batch.push_back(at::stack({each.parameters[i], others[i]}).unsqueeze(1));
        batch.back().set_requires_grad(records);
      }
      const DistributionPtr distribution = each.make(batch);
      ASSERT_EQ(distribution->batch_shape(), IntArrayRef({2, 1}));
      for (const Shape& of_value : {Shape{}, Shape{1}, Shape{3}, Shape{1, 3}, Shape{2, 3},
                                    Shape{2, 1}, Shape{3, 1, 1}, Shape{3, 1, 2}, Shape{3, 2, 1}}) {
        Shape whole = of_value;
        for (const std::int64_t size : each.value.sizes()) whole.push_back(size);
        const Tensor found = distribution->log_prob(each.value.expand(whole));
        const Tensor right = expected.expand(at::infer_size(of_value, {2, 1}));
        ASSERT_EQ(found.sizes(), right.sizes());
        EXPECT_TRUE(at::allclose(found, right, 1e-9, 1e-12))
            << records << ' ' << IntArrayRef(of_value);
      }
    }
  }
}

TEST(EveryDistribution, WorksOnAnotherDevice) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA";
  const at::Device cuda(at::kCUDA);
  std::vector<Case> cases = continuous();
  for (Case& each : discrete()) cases.push_back(std::move(each));
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    Tensors there;
    for (const Tensor& p : each.parameters) there.push_back(p.to(cuda));
    const DistributionPtr distribution = each.make(there);
    const Tensor draws = distribution->sample({64}, Stream{.seed = 1});
    EXPECT_TRUE(draws.is_cuda());
    const DistributionPtr here = each.make(each.parameters);
    // The draws of a stream are the same everywhere, up to the rounding of exp and log.
    EXPECT_TRUE(at::allclose(draws.cpu(), here->sample({64}, Stream{.seed = 1}), 1e-9, 1e-12));
    EXPECT_TRUE(at::allclose(distribution->log_prob(each.value.to(cuda)).cpu(),
                             here->log_prob(each.value), 1e-9, 1e-12));
  }
}

}  // namespace
}  // namespace partita::distributions
