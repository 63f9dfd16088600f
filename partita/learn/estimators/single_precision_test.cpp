// SPDX-License-Identifier: Apache-2.0
// Gradients in single precision against those in double, by the same random numbers.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using distributions::DistributionPtr;

struct SingleAndDouble {
  GradientEstimate single;
  Tensor single_gradient;
  Tensor double_gradient;
};

/// By the same random numbers, in both.
SingleAndDouble in_both(Estimator& estimator, const Tensor& logits,
                        const std::function<DistributionPtr(const Tensor&)>& make,
                        const Function& f) {
  const auto run = [&](at::ScalarType type) {
    const Tensor leaf = logits.to(type).clone().set_requires_grad(true);
    const GradientEstimate found = estimator(*make(leaf), f, Stream{1});
    found.surrogate.sum().backward();
    return std::pair(found, leaf.grad());
  };
  const auto [single, gradient] = run(at::kFloat);
  return {single, gradient, run(at::kDouble).second};
}

TEST(Estimators, InSinglePrecisionAreThoseInDouble) {
  std::vector<std::unique_ptr<Estimator>> all;
  all.push_back(std::make_unique<ScoreFunction>(
      ScoreFunctionOptions{.samples = 4, .baseline = baselines::ControlVariate{}}));
  all.push_back(std::make_unique<Concrete>());
  all.push_back(std::make_unique<StraightThroughGumbel>());
  all.push_back(std::make_unique<GumbelRao>());
  all.push_back(std::make_unique<StraightThrough>());
  all.push_back(std::make_unique<ReinMax>());
  all.push_back(std::make_unique<ReinMaxRao>());
  all.push_back(std::make_unique<Rebar>());
  all.push_back(std::make_unique<Arm>());
  all.push_back(std::make_unique<DisArm>());
  all.push_back(std::make_unique<Arms>());
  all.push_back(std::make_unique<DoubleControlVariates>());
  all.push_back(std::make_unique<UnorderedSet>());
  all.push_back(std::make_unique<SumAndSample>());
  all.push_back(std::make_unique<Enumeration>());
  const auto bits = [](const Tensor& z) -> DistributionPtr {
    return std::make_shared<distributions::Independent>(
        distributions::Bernoulli(distributions::Logits(z)), 1);
  };
  const Tensor logits = testing::numbers({0.3, -1.2, 0.8, 0.1, -0.4, 2}).view({3, 2});
  for (const auto& estimator : all) {
    const SingleAndDouble found = in_both(
        *estimator, logits, bits, [](const Tensor& b) { return (b - 0.3).square().sum(-1); });
    EXPECT_EQ(found.single.value.scalar_type(), at::kFloat) << estimator->name();
    EXPECT_EQ(found.single.value.sizes(), IntArrayRef({3})) << estimator->name();
    EXPECT_FALSE(found.single.value.requires_grad()) << estimator->name();
    EXPECT_TRUE(
        at::allclose(found.single_gradient.to(at::kDouble), found.double_gradient, 1e-4, 1e-5))
        << estimator->name() << found.single_gradient << found.double_gradient;

    const Tensor one = at::zeros({}, at::kFloat).set_requires_grad(true);  // no batch
    const auto alone = (*estimator)(
        distributions::Bernoulli(distributions::Logits(one)),
        [](const Tensor& b) { return (b - 0.3).square(); }, Stream{1});
    alone.surrogate.backward();
    EXPECT_EQ(alone.value.dim(), 0) << estimator->name();
    EXPECT_TRUE(one.grad().isfinite().item<bool>()) << estimator->name();
  }
}

TEST(Estimators, OfSetsInSinglePrecisionAreThoseInDouble) {
  std::vector<std::unique_ptr<Estimator>> all;
  all.push_back(std::make_unique<StraightThrough>());
  all.push_back(std::make_unique<ImplicitMle>());
  all.push_back(std::make_unique<PerturbedTopK>());
  const auto sets = [](const Tensor& z) -> DistributionPtr {
    return std::make_shared<distributions::Subset>(distributions::Logits(z), 2);
  };
  const Tensor logits = testing::numbers({0.3, -1.2, 0.8, 0.1, -0.4, 2, 0, 1}).view({2, 4});
  for (const auto& estimator : all) {
    const SingleAndDouble found = in_both(*estimator, logits, sets, [](const Tensor& x) {
      return (x * testing::numbers({1, -2, 0.5, 3}).to(x.scalar_type())).sum(-1).square();
    });
    EXPECT_TRUE(
        at::allclose(found.single_gradient.to(at::kDouble), found.double_gradient, 1e-4, 1e-5))
        << estimator->name() << found.single_gradient << found.double_gradient;
  }
}

}  // namespace
}  // namespace partita::estimators
