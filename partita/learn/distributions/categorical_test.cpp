// SPDX-License-Identifier: Apache-2.0
// Categorical and its one-hot forms.
#include "partita/learn/distributions/categorical.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;

/// Two rows of four logits, one of them -inf.
Tensor some_logits() { return doubles({1, -kInfinity, 0.5, 3, 0, 2, -1, -30}).view({2, 4}); }

TEST(Categorical, Draws) {
  testing::expect_draws_follow_probabilities(Categorical(doubles({0.1, 0.2, 0, 0.65, 0.05})), 5);
  testing::expect_draws_follow_probabilities(Categorical(Logits(doubles({1, -kInfinity, 0.5}))), 3);
  // Each member of a batch, with two sample dimensions.
  const Categorical batch{Logits(some_logits())};
  const Tensor draws = batch.sample({100, 1000}, Stream{.seed = 1});
  EXPECT_EQ(draws.sizes(), IntArrayRef({100, 1000, 2}));
  EXPECT_EQ(draws.scalar_type(), at::kLong);
  for (std::int64_t row = 0; row < 2; ++row) {
    const Tensor counts = at::bincount(draws.select(-1, row).flatten(), {}, 4);
    EXPECT_GT(chi_square_p_value(testing::to_vector(counts),
                                 testing::to_vector(batch.probs()[row] * 1e5)),
              kFalseAlarm);
  }
}

TEST(Categorical, LeadingDrawsDoNotDependOnTheirNumber) {
  const Categorical batch{Logits(some_logits())};
  const Stream stream{.seed = 5, .id = 1};
  EXPECT_TRUE(at::equal(batch.sample({64}, stream).slice(0, 0, 32), batch.sample({32}, stream)));
  EXPECT_TRUE(at::equal(batch.sample({8, 4}, stream).view({32, 2}), batch.sample({32}, stream)));
}

TEST(Categorical, LogProbIsTheNormalizedLogit) {
  const Tensor z = some_logits();
  const Categorical from_logits{Logits(z)};
  const Categorical from_probs(z.softmax(-1));
  const Tensor all = from_logits.enumerate_support();
  const Tensor expected = z.log_softmax(-1).t();
  EXPECT_TRUE(at::allclose(from_logits.log_prob(all), expected));
  EXPECT_TRUE(at::allclose(from_probs.log_prob(all), expected));
  EXPECT_TRUE(at::allclose(from_probs.logits(), from_logits.logits()));
  EXPECT_EQ(from_probs.log_prob(at::tensor({1, 0}))[0].item<double>(), -kInfinity);
  // Values of fewer dimensions, of more, and of floating-point type.
  EXPECT_TRUE(at::allclose(from_logits.log_prob(at::tensor(3)), expected[3]));
  EXPECT_TRUE(
      at::allclose(from_logits.log_prob(at::full({5, 1}, 3.0)), expected[3].expand({5, 2})));
  EXPECT_TRUE(at::allclose(from_logits.expand({3, 2})->log_prob(at::tensor({2, 3})),
                           at::stack({expected[2][0], expected[3][1]}).expand({3, 2})));
}

TEST(Categorical, ManyCategoriesAreScoredTheSameWithAndWithoutAGradient) {
  constexpr std::int64_t kCategories = 300;
  const Tensor z = at::linspace(-5, 5, 6 * kCategories, at::kDouble)
                       .mul(40)
                       .sin()
                       .mul(3)
                       .view({2, 3, kCategories});
  z[1][2].slice(0, 10, 20).fill_(-kInfinity);
  const Tensor expected = z.log_softmax(-1);
  for (const Shape& shape : std::vector<Shape>{{5, 2, 3}, {2, 3}, {3}, {7, 1, 3}, {}}) {
    const Tensor value = at::arange(c10::multiply_integers(shape), at::kLong)
                             .mul(37)
                             .remainder(kCategories)
                             .view(shape);
    const auto batch = at::infer_size(value.sizes(), {2, 3});
    const Tensor wanted = expected.expand(concatenate(batch, {kCategories}))
                              .gather(-1, value.expand(batch).unsqueeze(-1))
                              .squeeze(-1);
    const Tensor leaf = z.clone().requires_grad_();
    for (const Tensor& logits : {z, z.transpose(0, 1).contiguous().transpose(0, 1), leaf}) {
      const Tensor scored = Categorical(Logits(logits)).log_prob(value);
      EXPECT_TRUE(at::allclose(scored, wanted, 1e-14, 1e-14)) << value.sizes();
    }
  }
  for (const std::int64_t outside : {std::int64_t{-1}, kCategories}) {
    const Tensor scored = Categorical(Logits(z), false).log_prob(at::full({}, outside, at::kLong));
    EXPECT_TRUE((scored == -kInfinity).all().item<bool>());
  }
}

TEST(Categorical, GradientsAreOfThePossibleAndFinite) {
  // The gradient of log p_0 in logits: e_0 - p. In probabilities, as weights over their sum:
  // e_0 / p_0 - 1.
  const Tensor p = doubles({0.2, 0, 0.8});
  for (const bool is_logits : {true, false}) {
    const Tensor leaf = (is_logits ? p.log() : p.clone()).set_requires_grad(true);
    const Categorical q = is_logits ? Categorical(Logits(leaf)) : Categorical(leaf);
    q.log_prob(at::tensor({0, 1})).sum().backward();  // the second is impossible
    const Tensor expected = is_logits ? doubles({1, 1, 0}) - 2 * p : doubles({5, 0, 0}) - 2;
    EXPECT_TRUE(at::allclose(leaf.grad(), expected)) << leaf.grad();
    leaf.mutable_grad().zero_();
    q.entropy().backward();
    EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>());
    // dH / dz_i = -p_i (log p_i + H)
    if (is_logits) {
      const double h = -(0.2 * std::log(0.2) + 0.8 * std::log(0.8));
      EXPECT_TRUE(at::allclose(
          leaf.grad(), doubles({-0.2 * (std::log(0.2) + h), 0, -0.8 * (std::log(0.8) + h)})));
    }
  }
}

TEST(Categorical, EntropyModeAndMoments) {
  const double h = -(0.2 * std::log(0.2) + 0.8 * std::log(0.8));
  EXPECT_DOUBLE_EQ(Categorical(doubles({0.2, 0, 0.8})).entropy().item<double>(), h);
  EXPECT_DOUBLE_EQ(Categorical(Logits(doubles({2e4, -2e4}))).entropy().item<double>(), 0);
  const Categorical tied(doubles({0.1, 0.4, 0.1, 0.4}));
  EXPECT_EQ(tied.mode().item<std::int64_t>(), 1);
  EXPECT_TRUE(tied.mean().isnan().item<bool>());
  EXPECT_TRUE(tied.expand({2, 3})->variance().isnan().all().item<bool>());
  EXPECT_EQ(tied.enumerate_support().sizes(), IntArrayRef({4}));
  EXPECT_EQ(tied.expand({2, 3})->enumerate_support().sizes(), IntArrayRef({4, 2, 3}));
  EXPECT_EQ(tied.expand({2, 3})->enumerate_support(false).sizes(), IntArrayRef({4, 1, 1}));
}

TEST(Categorical, SinglePrecisionIsNormalized) {
  // Sums to 1 + 1e-5: within what single precision forgives, and divided out.
  const Categorical q(at::tensor({0.30001F, 0.7F}));
  const Tensor total = q.log_prob(q.enumerate_support()).exp().sum();
  EXPECT_NEAR(total.item<double>(), 1, 2e-7);
  EXPECT_NEAR(q.probs().sum().item<double>(), 1, 2e-7);
  EXPECT_EQ(q.log_prob(at::tensor(0)).scalar_type(), at::kFloat);
}

TEST(Categorical, SaysWhatIsWrong) {
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Categorical(doubles({0.5, 0.6}));
            }),
            "probs: Categorical: expected probabilities that sum to 1, got [0.5, 0.6]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Categorical(doubles({-0.5, 1.5}));
            }),
            "probs: Categorical: expected probabilities that sum to 1, got [-0.5, 1.5]");
  EXPECT_EQ(message_of<InvalidArgument>([] { Categorical(0.5); }),
            "probs: Categorical: expected 1 dimensions or more, got shape []");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Categorical(Logits(doubles({-kInfinity, -kInfinity})));
            }),
            "logits: Categorical: expected logits, each < +inf and not all -inf, got [-inf, -inf]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Categorical(Logits(doubles({0, 0, std::nan(""), 0}).view({2, 2})));
            }),
            "logits: Categorical: expected logits, each < +inf and not all -inf, got [nan, 0] at "
            "[1]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Categorical(doubles({0.5, 0.5})).log_prob(at::tensor({0, 2}));
            }),
            "value: Categorical(probs: [2]): expected a whole number in [0, V - 1], got 2 at [1]");
}

TEST(OneHotCategorical, IsTheCategoricalOfItsIndex) {
  const OneHotCategorical one_hot{Logits(some_logits())};
  const Categorical index{Logits(some_logits())};
  EXPECT_EQ(one_hot.batch_shape(), IntArrayRef({2}));
  EXPECT_EQ(one_hot.event_shape(), IntArrayRef({4}));
  const Tensor draws = one_hot.sample({3, 5}, Stream{.seed = 2});
  EXPECT_EQ(draws.sizes(), IntArrayRef({3, 5, 2, 4}));
  EXPECT_EQ(draws.scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(draws.argmax(-1), index.sample({3, 5}, Stream{.seed = 2})));
  EXPECT_TRUE(at::equal(draws.sum(-1), at::ones({3, 5, 2}, at::kDouble)));

  const Tensor all = one_hot.enumerate_support();
  EXPECT_EQ(all.sizes(), IntArrayRef({4, 2, 4}));
  EXPECT_EQ(one_hot.enumerate_support(false).sizes(), IntArrayRef({4, 1, 4}));
  EXPECT_TRUE(at::equal(one_hot.log_prob(all), index.log_prob(index.enumerate_support())));
  EXPECT_TRUE(at::allclose(one_hot.log_prob(all).exp().sum(0), at::ones({2}, at::kDouble)));

  EXPECT_TRUE(at::equal(one_hot.mode().argmax(-1), index.mode()));
  EXPECT_TRUE(at::equal(one_hot.mean(), index.probs()));
  EXPECT_TRUE(at::equal(one_hot.variance(), index.probs() * (1 - index.probs())));
  EXPECT_TRUE(at::equal(one_hot.entropy(), index.entropy()));
  EXPECT_THROW(one_hot.rsample(Stream{}), InvalidArgument);
  EXPECT_THROW(one_hot.log_prob(doubles({1, 1, 0, 0})), InvalidArgument);
  EXPECT_THROW(one_hot.log_prob(doubles({1, 0, 0})), InvalidArgument);
  EXPECT_EQ(one_hot.expand({3, 2})->sample({5}, Stream{}).sizes(), IntArrayRef({5, 3, 2, 4}));
}

TEST(OneHotCategorical, StraightThroughPassesTheGradientOfProbs) {
  const Tensor leaf = doubles({0.5, 1, -kInfinity}).set_requires_grad(true);
  const OneHotCategoricalStraightThrough q{Logits(leaf)};
  const Tensor weight = doubles({1, 2, 3});
  const Tensor draw = q.rsample({4}, Stream{.seed = 3});
  EXPECT_TRUE(at::equal(draw, OneHotCategorical(Logits(leaf)).sample({4}, Stream{.seed = 3})));
  (draw * weight).sum().backward();
  const Tensor sampled = leaf.grad().clone();
  leaf.mutable_grad().zero_();
  (4 * q.probs() * weight).sum().backward();
  EXPECT_TRUE(at::allclose(sampled, leaf.grad()));
  EXPECT_FALSE(q.sample(Stream{}).requires_grad());
  EXPECT_TRUE(q.expand({2})->has_rsample());
}

}  // namespace
}  // namespace partita::distributions
