// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/multinomial.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::expect_prefix;
using testing::kInfinity;
using testing::number;
using testing::to_vector;

/// All counts of three categories that sum to n, [(n + 1)(n + 2) / 2, 3].
Tensor compositions(std::int64_t n) {
  std::vector<double> all;
  for (std::int64_t a = 0; a <= n; ++a) {
    for (std::int64_t b = 0; a + b <= n; ++b) {
      for (const std::int64_t x : {a, b, n - a - b}) all.push_back(static_cast<double>(x));
    }
  }
  return doubles(all).view({-1, 3});
}

TEST(Multinomial, DrawsFollowProbabilities) {
  constexpr double kDraws = 200'000;
  const Multinomial q(4, doubles({0.2, 0.5, 0.3}));
  const Tensor all = compositions(4);
  const Tensor place = doubles({25, 5, 1});  // counts as digits
  std::vector<double> expected(125);
  const std::vector<double> p = to_vector(q.log_prob(all).exp());
  const std::vector<double> at_place = to_vector(all.matmul(place));
  for (std::size_t i = 0; i < p.size(); ++i) {
    expected[static_cast<std::size_t>(at_place[i])] = p[i] * kDraws;
  }
  for (const Random& random :
       {Random(Stream{.seed = 2, .id = 1}), Random(testing::torch_generator(2))}) {
    std::vector<double> observed(125);
    for (const double x : to_vector(q.sample({200, 1000}, random).matmul(place))) {
      ++observed[static_cast<std::size_t>(x)];
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  }
  expect_prefix(Multinomial(doubles({0, 2, 1000}), doubles({0.1, 0.4, 0.3, 0.2, 0})));
}

TEST(Multinomial, LargeCountsAndManyCategories) {
  // The sum over categories of (x - np)^2 / np is chi-square.
  const Tensor p = at::arange(1, 1001, at::kDouble) / 500'500;
  const Multinomial q(1e9, p);
  const Tensor x = q.sample(Stream{.seed = 6});
  EXPECT_EQ(x.sum().item<double>(), 1e9);
  EXPECT_GT(chi_square_p_value(to_vector(x), to_vector(q.mean())), kFalseAlarm);
  // An impossible category is never drawn.
  const Multinomial sparse(1'000'000, Logits(doubles({0, -kInfinity, 1, -kInfinity, -kInfinity})));
  EXPECT_TRUE(at::equal(sparse.sample(Stream{}) > 0, doubles({1, 0, 1, 0, 0}) > 0));
}

TEST(Multinomial, ProbabilitiesEntropyAndMoments) {
  for (const Tensor& p : {doubles({0.2, 0.5, 0.3}), doubles({0.6, 0, 0.4}), doubles({0, 0, 1})}) {
    const Multinomial q(doubles({0, 1, 5}), p);
    EXPECT_EQ(q.batch_shape(), IntArrayRef({3}));
    for (const std::int64_t i : {0, 1, 2}) {
      const Multinomial one(q.total_count()[i], Logits(p.log()));
      const Tensor all = compositions(q.total_count()[i].item<std::int64_t>());
      const Tensor prob = one.log_prob(all).exp();
      EXPECT_NEAR(prob.sum().item<double>(), 1, 1e-12);
      EXPECT_TRUE(at::allclose(prob.matmul(all), q.mean()[i]));
      EXPECT_TRUE(at::allclose(prob.matmul(all.square()) - q.mean()[i].square(), q.variance()[i],
                               1e-10, 1e-12));
      EXPECT_TRUE(at::allclose(q.entropy()[i], -at::xlogy(prob, prob).sum(), 1e-10, 1e-12));
      EXPECT_TRUE(at::allclose(one.entropy(), q.entropy()[i], 1e-10, 1e-12));
    }
  }
  // scipy.stats.multinomial.
  const Multinomial p(4, doubles({0.2, 0.5, 0.3}));
  EXPECT_NEAR(p.log_prob(doubles({1, 0, 3})).item<double>(), -3.835061964292017, 1e-14);
  EXPECT_NEAR(p.entropy().item<double>(), 2.3490839816745126, 1e-14);
  const Multinomial q(3, doubles({0.5, 0.5}));
  EXPECT_EQ(q.expand({4})->sample({2}, Stream{}).sizes(), IntArrayRef({2, 4, 2}));
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              q.log_prob(doubles({1, 1}));
            }),
            "value: Multinomial(total_count: 3, probs: [2]): expected counts that sum to "
            "total_count, got [1, 1]");
}

TEST(Multinomial, Gradients) {
  const Tensor counts = doubles({1, 0, 3});
  testing::expect_gradient(
      [&](const auto& t) {
        const Multinomial q(4, Logits(t[0]));
        return q.log_prob(counts) + q.entropy();
      },
      {doubles({-0.5, 1, 0.3})});
  const Tensor p = doubles({0.25, 0, 0.75}).set_requires_grad(true);
  const Multinomial q(4, p);
  (q.log_prob(counts) + q.entropy()).backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>()) << p.grad();
}

}  // namespace
}  // namespace partita::distributions
