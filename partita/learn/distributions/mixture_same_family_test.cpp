// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/mixture_same_family.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;

MixtureSameFamily some_normals() {
  return {Categorical(doubles({0.2, 0.5, 0.3})),
          Normal(doubles({-3, 0, 2}), doubles({0.5, 1, 0.1}))};
}

TEST(MixtureSameFamily, Draws) {
  testing::expect_draws_follow_cdf(some_normals());
  testing::expect_draws_follow_probabilities(
      MixtureSameFamily(Categorical(Logits(doubles({0, 1}))), Poisson(doubles({1, 9}))), 30);
  const Stream stream{.seed = 3, .id = 8};
  EXPECT_TRUE(at::equal(some_normals().sample({64}, stream).slice(0, 0, 32),
                        some_normals().sample({32}, stream)));
  EXPECT_THROW(some_normals().rsample(Stream{}), InvalidArgument);
}

TEST(MixtureSameFamily, DensityAndMoments) {
  const MixtureSameFamily q = some_normals();
  const Tensor x = at::linspace(-15, 15, 300'001, at::kDouble);
  const Tensor density = q.log_prob(x).exp();
  const double step = 1e-4;
  EXPECT_NEAR((density.sum() * step).item<double>(), 1, 1e-9);
  EXPECT_NEAR(((density * x).sum() * step).item<double>(), q.mean().item<double>(), 1e-9);
  EXPECT_NEAR(((density * (x - q.mean()).square()).sum() * step).item<double>(),
              q.variance().item<double>(), 1e-8);
  // The density is the CDF's slope.
  const Tensor cdf = q.cdf(x);
  const std::int64_t n = x.numel();
  EXPECT_TRUE(at::allclose((cdf.slice(0, 2) - cdf.slice(0, 0, n - 2)) / (2 * step),
                           density.slice(0, 1, n - 1), 1e-3, 1e-6));
  EXPECT_TRUE(at::allclose(q.log_cdf(x).exp(), cdf, 1e-9, 1e-15));
  EXPECT_TRUE(at::allclose(q.log_survival(x).exp(), 1 - cdf, 1e-9, 1e-14));
  // mpmath: log(0.5 Phi(-40)), of the component at 0, next to which the others vanish.
  EXPECT_NEAR(q.log_survival(doubles({40})).item<double>(), -804.6084420137538 + std::log(0.5),
              1e-9);
}

TEST(MixtureSameFamily, BatchesOfVectors) {
  const Tensor loc = at::arange(2 * 3 * 4, at::kDouble).view({2, 3, 4}).sin();
  const Tensor logits = at::arange(3, at::kDouble);
  const Independent components(Normal(loc, 0.7), 1);
  const MixtureSameFamily q{Categorical(Logits(logits)), components};
  EXPECT_EQ(q.batch_shape(), IntArrayRef({2}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({4}));
  EXPECT_EQ(q.sample({5, 6}, Stream{}).sizes(), IntArrayRef({5, 6, 2, 4}));
  EXPECT_EQ(q.expand({7, 2})->sample({5}, Stream{}).sizes(), IntArrayRef({5, 7, 2, 4}));
  const Tensor x = at::arange(5 * 2 * 4, at::kDouble).view({5, 2, 4}).cos();
  Tensor density = at::zeros({5, 2}, at::kDouble);
  const Tensor weights = logits.softmax(-1);
  for (std::int64_t k = 0; k < 3; ++k) {
    density += weights[k] * Normal(loc.select(1, k), 0.7).log_prob(x).sum(-1).exp();
  }
  EXPECT_TRUE(at::allclose(q.log_prob(x).exp(), density));
  EXPECT_TRUE(at::allclose(q.mean(), (weights.view({3, 1}) * loc).sum(1)));
  EXPECT_EQ(q.variance().sizes(), IntArrayRef({2, 4}));
  // So are its tails.
  Tensor below = at::zeros({5, 2}, at::kDouble);
  for (std::int64_t k = 0; k < 3; ++k) {
    below += weights[k] * Normal(loc.select(1, k), 0.7).cdf(x).prod(-1);
  }
  EXPECT_TRUE(at::allclose(q.cdf(x), below));
  EXPECT_TRUE(at::allclose(q.log_cdf(x), below.log()));
  // The whole event is of one component: the coordinates of a draw are near one location.
  const MixtureSameFamily far(
      Categorical(doubles({0.5, 0.5})),
      MultivariateNormal(doubles({-9, -9, 9, 9}).view({2, 2}), at::eye(2, at::kDouble)));
  const Tensor draws = far.sample({1000}, Stream{.seed = 1});
  EXPECT_TRUE(at::equal(draws.select(-1, 0) > 0, draws.select(-1, 1) > 0));
}

TEST(MixtureSameFamily, ImpossibleComponentsAndValues) {
  const Normal normals(doubles({0, 5}), 1);
  const Tensor logits = doubles({0, -kInfinity}).set_requires_grad(true);
  const MixtureSameFamily q{Categorical(Logits(logits)), normals};
  const Tensor x = doubles({-1, 5});
  EXPECT_TRUE(at::allclose(q.log_prob(x), Normal(doubles({0}), 1).log_prob(x)));
  EXPECT_TRUE(at::equal(q.mean(), at::zeros({}, at::kDouble)));
  // No component can make a count of 3 here.
  const Tensor rate = doubles({0, 0}).set_requires_grad(true);
  const MixtureSameFamily none{Categorical(Logits(logits)), Poisson(rate)};
  const Tensor log_prob = none.log_prob(doubles({3}));
  EXPECT_EQ(log_prob.item<double>(), -kInfinity);
  (log_prob.sum() + q.log_prob(x).sum()).backward();
  EXPECT_TRUE(rate.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
}

TEST(MixtureSameFamily, Gradients) {
  testing::expect_gradient(
      [](const auto& t) {
        const MixtureSameFamily q(Categorical(Logits(t[0])), Normal(t[1], t[2]));
        const Tensor x = doubles({-1, 0.5, 3});
        return q.log_prob(x) + q.log_cdf(x) + q.mean() + q.variance();
      },
      {doubles({0.5, 1}), doubles({-1, 2}), doubles({0.5, 2})});
}

TEST(MixtureSameFamily, SaysWhatIsWrong) {
  const Categorical three(doubles({0.2, 0.5, 0.3}));
  EXPECT_EQ(message_of<InvalidArgument>([&] { MixtureSameFamily(three, Normal(0, 1)); }),
            "component_distribution: MixtureSameFamily: expected a batch, along whose last "
            "dimension the components stand, got Normal(loc: 0, scale: 1)");
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { MixtureSameFamily(three, Normal(at::zeros({2}), 1)); }),
      "mixture_distribution: MixtureSameFamily: expected as many categories as there are "
      "components, 2, got 3");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              MixtureSameFamily(static_cast<const Categorical&>(*three.expand({4})),
                                Normal(at::zeros({2, 3}), 1));
            }),
            "mixture_distribution: MixtureSameFamily: expected a batch shape that broadcasts to "
            "[2], got [4]");
  EXPECT_EQ(message_of<InvalidArgument>([&] { some_normals().log_prob(doubles({std::nan("")})); }),
            "value: MixtureSameFamily(Categorical(probs: [3]), Normal(loc: [3], scale: [3])): "
            "expected a real number, got nan at [0]");
}

}  // namespace
}  // namespace partita::distributions
