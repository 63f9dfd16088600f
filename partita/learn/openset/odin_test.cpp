// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/odin.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita::openset {
namespace {

using testing::message_of;

/// A fixed network of two layers, with parameters that ask for gradients.
struct Network {
  Tensor first = at::linspace(-1, 1, 15, at::kDouble).view({3, 5}).sin().requires_grad_();
  Tensor second = at::linspace(-2, 3, 20, at::kDouble).view({5, 4}).cos().requires_grad_();

  Tensor operator()(const Tensor& x) const { return x.matmul(first).tanh().matmul(second) * 3; }
};

Tensor inputs() { return at::linspace(-1.3, 1.1, 18, at::kDouble).view({6, 3}); }

/// log S of each row.
Tensor log_largest(const Tensor& logits, double temperature) {
  return std::get<0>((logits / temperature).log_softmax(1).max(1));
}

TEST(Odin, MovesWithTheSignOfFiniteDifferences) {
  const Network network;
  const Tensor x = inputs();
  for (const double temperature : {1.0, 10.0, 1000.0}) {
    const Tensor moved = odin_input(network, x, {.temperature = temperature, .epsilon = 0.25});
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const auto at_offset = [&](double offset) {
        Tensor other = x.clone();
        other.view(-1)[i] += offset;
        return log_largest(network(other).detach(), temperature).sum().item<double>();
      };
      const double slope = at_offset(1e-5) - at_offset(-1e-5);
      ASSERT_GT(std::abs(slope), 1e-13);
      EXPECT_NEAR((moved.view(-1)[i] - x.view(-1)[i]).item<double>(), slope > 0 ? 0.25 : -0.25,
                  1e-15)
          << i;
    }
  }
}

TEST(Odin, OfALinearClassifierByHand) {
  // Logits (2x, 0): S rises with |x|, which moves from 1 to 1.5: 2 * 1.5 / T = 1.5.
  const auto classify = [](const Tensor& x) {
    return at::stack({2 * x.select(1, 0), at::zeros_like(x.select(1, 0))}, 1);
  };
  const Tensor x = at::tensor({1.0, -1.0}, at::kDouble).view({2, 1});
  const OdinOptions options{.temperature = 2, .epsilon = 0.5};
  EXPECT_TRUE(at::equal(odin_input(classify, x, options), 1.5 * x));
  const Tensor scores = odin_scores(classify, x, options);
  for (const int i : {0, 1}) {
    EXPECT_NEAR(scores[i].item<double>(), -std::log1p(std::exp(-1.5)), 1e-15);
  }
  // Without a move it is the maximum softmax probability.
  EXPECT_NEAR(odin_scores(classify, x, {.temperature = 1, .epsilon = 0})[0].item<double>(),
              -std::log1p(std::exp(-2)), 1e-15);
}

TEST(Odin, RaisesTheScoreAndKeepsRowsApart) {
  const Network network;
  const Tensor x = inputs();
  const OdinOptions options{.temperature = 10, .epsilon = 0.01};
  const Tensor scores = odin_scores(network, x, options);
  EXPECT_TRUE((scores > log_largest(network(x), 10)).all().item<bool>());
  for (std::int64_t r = 0; r < x.size(0); ++r) {
    EXPECT_NEAR(odin_scores(network, x.slice(0, r, r + 1), options).item<double>(),
                scores[r].item<double>(), 1e-14);
  }
}

TEST(Odin, LeavesGradientsAndInputsAlone) {
  const Network network;
  const Tensor x = inputs().requires_grad_();
  const Tensor before = x.detach().clone();
  Tensor scores;
  {
    const at::NoGradGuard no_grad;
    scores = odin_scores(network, x);
  }
  EXPECT_FALSE(scores.requires_grad());
  EXPECT_TRUE(at::equal(scores, odin_scores(network, x)));
  EXPECT_FALSE(odin_input(network, x).requires_grad());
  EXPECT_FALSE(network.first.grad().defined());
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(at::equal(x.detach(), before));
}

TEST(Odin, RefusesWhatItCannotScore) {
  const Network network;
  const Tensor x = inputs();
  const auto refusal = [&](const Classifier& classify, const Tensor& input,
                           const OdinOptions& options) {
    return message_of<InvalidArgument>([&] { odin_scores(classify, input, options); });
  };
  EXPECT_EQ(refusal(network, x, {.temperature = 0}),
            "temperature: expected a number in (0, inf), got 0");
  EXPECT_EQ(refusal(network, x, {.epsilon = -1}), "epsilon: expected a number in [0, inf), got -1");
  EXPECT_EQ(refusal(network, x.to(at::kLong), {}), "x: expected rows of floating-point numbers");
  EXPECT_EQ(refusal([](const Tensor& z) { return z.sum(1); }, x, {}),
            "classify: expected logits [6, classes], got [6]");
  EXPECT_EQ(refusal([](const Tensor& z) { return z.detach(); }, x, {}),
            "classify: the logits have no gradient");
  EXPECT_EQ(refusal([&](const Tensor&) { return network(inputs()); }, x, {}),
            "classify: the logits do not depend on the inputs");
}

}  // namespace
}  // namespace partita::openset
