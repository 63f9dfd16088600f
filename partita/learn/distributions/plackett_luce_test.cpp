// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/plackett_luce.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::to_vector;

/// The rankings as numbers to the base V, and exp(log_prob) at each.
void expect_draws(const PlackettLuce& q, std::int64_t categories) {
  constexpr std::int64_t kDraws = 200'000;
  const std::int64_t k = q.event_shape()[0];
  const Tensor digits = at::pow(categories, at::arange(k, at::kLong));
  const auto cells = static_cast<std::size_t>(std::pow(categories, k));
  const Tensor all = q.enumerate_support();
  const std::vector<double> p = to_vector(q.log_prob(all).exp() * kDraws);
  const std::vector<double> cell = to_vector((all * digits).sum(-1));
  std::vector<double> expected(cells);
  for (std::size_t i = 0; i < p.size(); ++i) expected[static_cast<std::size_t>(cell[i])] = p[i];
  for (const Random& random :
       {Random(Stream{.seed = 5, .id = 2}), Random(testing::torch_generator(5))}) {
    std::vector<double> observed(cells);
    for (const double each : to_vector((q.sample({kDraws}, random) * digits).sum(-1))) {
      ++observed[static_cast<std::size_t>(each)];
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << q.to_string();
  }
}

TEST(PlackettLuce, DrawsFollowProbabilities) {
  const Tensor z = doubles({1, -kInfinity, 0.5, 3, 0});
  expect_draws(PlackettLuce(Logits(z), 1), 5);
  expect_draws(PlackettLuce(Logits(z), 2), 5);
  expect_draws(PlackettLuce(Logits(z.to(at::kFloat)), 3), 5);
  expect_draws(PlackettLuce(doubles({5, 1, 3, 2})), 4);
}

TEST(PlackettLuce, LeadingDrawsAndPlacesDoNotDependOnTheirNumber) {
  const Tensor z = at::arange(12, at::kDouble).view({2, 6}).cos();
  const Stream stream{.seed = 3, .id = 8};
  const PlackettLuce q{Logits(z)};
  EXPECT_EQ(q.batch_shape(), IntArrayRef({2}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({6}));
  const Tensor draws = q.sample({64}, stream);
  EXPECT_EQ(draws.scalar_type(), at::kLong);
  EXPECT_TRUE(at::equal(draws.slice(0, 0, 32), q.sample({32}, stream)));
  EXPECT_TRUE(at::equal(draws.view({8, 8, 2, 6}), q.sample({8, 8}, stream)));
  EXPECT_TRUE(at::equal(draws.slice(-1, 0, 2), PlackettLuce(Logits(z), 2).sample({64}, stream)));
  EXPECT_EQ(q.expand({3, 2})->sample({5}, stream).sizes(), IntArrayRef({5, 3, 2, 6}));
}

TEST(PlackettLuce, LogProbIsTheProductOfSoftmaxesOverWhatIsLeft) {
  const Tensor z = doubles({1, -2, 0.5, 3, 0, -1, 2, 0.3}).view({2, 4});
  for (const std::int64_t k : {1, 2, 3, 4}) {
    const PlackettLuce q(Logits(z), k);
    const Tensor all = q.enumerate_support();
    const Tensor log_p = q.log_prob(all);
    EXPECT_TRUE(at::allclose(log_p.exp().sum(0), at::ones({2}, at::kDouble)));
    for (std::int64_t i = 0; i < all.size(0); ++i) {
      for (std::int64_t row = 0; row < 2; ++row) {
        Tensor left = z[row].clone();
        double expected = 0;
        for (std::int64_t place = 0; place < k; ++place) {
          const auto drawn = all[i][row][place].item<std::int64_t>();
          expected += left.log_softmax(-1)[drawn].item<double>();
          left[drawn] = -kInfinity;
        }
        EXPECT_NEAR(log_p[i][row].item<double>(), expected, 1e-13);
      }
    }
    EXPECT_TRUE(at::allclose(q.entropy(), -(log_p.exp() * log_p).sum(0)));
    EXPECT_TRUE(at::allclose(q.log_prob(q.mode()), std::get<0>(log_p.max(0))));
  }
  // A value of fewer dimensions meets every member of the batch; scores need not sum to 1.
  EXPECT_TRUE(at::allclose(PlackettLuce(7 * z.exp(), 2).log_prob(at::tensor({3, 1})),
                           PlackettLuce(Logits(z), 2).log_prob(at::tensor({3, 1}).expand({2, 2}))));
  // The first place is the categorical's.
  const Tensor index = at::arange(4, at::kLong);
  EXPECT_TRUE(at::allclose(PlackettLuce(Logits(z[0]), 1).log_prob(index.unsqueeze(-1)),
                           Categorical(Logits(z[0])).log_prob(index)));
  EXPECT_TRUE(at::allclose(PlackettLuce(Logits(z)).logits(), Categorical(Logits(z)).logits()));
}

TEST(PlackettLuce, StableOverWideRanges) {
  // Best first, each place is all but certain: what is left is e^-1000 of it. And worst first.
  const Tensor z = at::arange(0, -5000, -1000, at::kDouble);
  const PlackettLuce q{Logits(z)};
  EXPECT_EQ(q.log_prob(q.mode()).item<double>(), 0);
  EXPECT_DOUBLE_EQ(q.log_prob(at::arange(4, -1, -1, at::kLong)).item<double>(),
                   -4000 - 3000 - 2000 - 1000);
}

TEST(PlackettLuce, ImpossibleCategories) {
  const Tensor leaf = doubles({1, -kInfinity, 0.5, 3}).set_requires_grad(true);
  const PlackettLuce q(Logits(leaf), 3);
  EXPECT_NEAR(q.log_prob(q.enumerate_support()).exp().sum().item<double>(), 1, 1e-14);
  EXPECT_EQ(q.log_prob(at::tensor({0, 1, 2})).item<double>(), -kInfinity);
  // All that is possible is drawn, so that nothing is left but the impossible.
  const Tensor log_p = q.log_prob(at::tensor({0, 3, 2}));
  EXPECT_NEAR(log_p.item<double>(),
              1 - std::log(std::exp(1) + std::exp(0.5) + std::exp(3)) + 3 -
                  std::log(std::exp(0.5) + std::exp(3)),
              1e-14);
  (log_p + q.log_prob(at::tensor({0, 1, 2})) + q.entropy()).backward();
  EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>()) << leaf.grad();
  EXPECT_EQ(leaf.grad()[1].item<double>(), 0);
  EXPECT_TRUE(at::equal(q.sample({100}, Stream{}) == 1, at::zeros({100, 3}, at::kBool)));
}

TEST(PlackettLuce, Gradients) {
  const Tensor value = at::tensor({2, 0, 1, 3}).view({2, 2});
  testing::expect_gradient(
      [&](const auto& t) {
        const PlackettLuce q(Logits(t[0]), 2);
        return q.log_prob(value) + q.entropy();
      },
      {doubles({1, -2, 0.5, 3})});
  testing::expect_gradient(
      [&](const auto& t) { return PlackettLuce(t[0]).log_prob(value.view(4)); },
      {doubles({1, 0.1, 0.5, 3})});
}

/// Of both ways to sum what is left: logits that are large as well.
TEST(PlackettLuce, SecondDerivatives) {
  const Tensor value = at::tensor({2, 0, 3});
  for (const double offset : {0., 20.}) {
    const auto slope = [&](const Tensor& z) {
      const Tensor x = z.detach().requires_grad_();
      const Tensor log_p = PlackettLuce(Logits(x), 3).log_prob(value);
      return std::pair(x, torch::autograd::grad({log_p}, {x}, {}, true, /*create_graph=*/true)[0]);
    };
    const Tensor z = doubles({1, -kInfinity, 0.5, 3, -1}) + offset;
    const auto [x, first] = slope(z);
    for (const std::int64_t i : {0, 2, 3, 4}) {
      constexpr double kStep = 1e-5;
      const Tensor step = at::zeros({5}, at::kDouble);
      step[i] = kStep;
      const Tensor expected = (slope(z + step).second - slope(z - step).second) / (2 * kStep);
      const Tensor found = torch::autograd::grad({first[i]}, {x}, {}, /*retain_graph=*/true)[0];
      EXPECT_TRUE(at::allclose(found, expected.detach(), 1e-6, 1e-9)) << found << expected;
    }
  }
}

TEST(PlackettLuce, ModeIsSorted) {
  EXPECT_TRUE(
      at::equal(PlackettLuce(doubles({1, 4, 4, 9}), 3).mode(), at::tensor({3, 1, 2}, at::kLong)));
}

TEST(PlackettLuce, SaysWhatIsWrong) {
  const Tensor z = doubles({1, 2, -kInfinity});
  EXPECT_EQ(message_of<InvalidArgument>([&] { PlackettLuce(Logits(z), 4); }),
            "k: PlackettLuce: expected 1 to 3, the number of categories, got 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { PlackettLuce{Logits(z)}; }),
            "logits: PlackettLuce: expected logits in [-inf, +inf), 3 or more of them > -inf, got "
            "[1, 2, -inf]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              PlackettLuce(doubles({1, -2}), 1);
            }),
            "scores: PlackettLuce: expected scores in [0, +inf), 1 or more of them > 0, got [1, "
            "-2]");
  const PlackettLuce q(Logits(z), 2);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              q.log_prob(at::tensor({1, 1}));
            }),
            "value: PlackettLuce(logits: [3]): expected different whole numbers in [0, 2], got [1, "
            "1]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              q.log_prob(at::tensor({0, 3}));
            }),
            "value: PlackettLuce(logits: [3]): expected different whole numbers in [0, 2], got [0, "
            "3]");
  EXPECT_THROW(q.log_prob(at::tensor({0, 1, 2})), InvalidArgument);
  const PlackettLuce large{Logits(at::zeros({20}))};
  EXPECT_FALSE(large.has_enumerate_support());
  EXPECT_EQ(message_of<InvalidArgument>([&] { large.entropy(); }),
            "entropy: not available for PlackettLuce: there are too many rankings");
  EXPECT_TRUE(PlackettLuce(Logits(at::zeros({8}))).has_enumerate_support());
}

}  // namespace
}  // namespace partita::distributions
