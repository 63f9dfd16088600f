// SPDX-License-Identifier: Apache-2.0
// The Concrete distribution of K outcomes, of two, and of rankings.

#include <gtest/gtest.h>

#include <algorithm>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/distributions/relaxed_bernoulli.hpp"
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"
#include "partita/learn/distributions/relaxed_plackett_luce.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::to_vector;

bool all_finite(const Tensor& x) { return x.isfinite().all().item<bool>(); }

// --- K outcomes ---------------------------------------------------------------------------------

TEST(RelaxedOneHotCategorical, DensityIsTheFormulaOfThePaper) {
  // Equation 10 of Maddison, Mnih, Teh 2017, multiplied out.
  const double t = 0.7;
  const Tensor probs = doubles({0.2, 0.5, 0.3});
  const Tensor x = doubles({0.1, 0.2, 0.7});
  const Tensor expected =
      2 * t * t * (probs * x.pow(-t - 1)).prod() / (probs * x.pow(-t)).sum().pow(3);
  const RelaxedOneHotCategorical q(t, probs);
  EXPECT_NEAR(q.log_prob(x).item<double>(), expected.log().item<double>(), 1e-13);
  const ExpRelaxedCategorical log_q(t, Logits(probs.log() + 4));  // logits need no normalizing
  EXPECT_NEAR(log_q.log_prob(x.log()).item<double>(), (expected * x.prod()).log().item<double>(),
              1e-13);
  EXPECT_TRUE(at::allclose(log_q.probs(), probs, 1e-14));
  EXPECT_TRUE(at::allclose(log_q.logits(), probs.log(), 1e-14));
}

TEST(RelaxedOneHotCategorical, DensityHasMassOne) {
  // Midpoints of a grid in u = softmax^-1 of the simplex: (log x1/x3, log x2/x3), whose Jacobian is
  // x1 x2 x3. The integrand falls off as e^-t|u|, smoothly, so the trapezoid rule is exact to
  // rounding over |u| < 120.
  for (const double t : {0.4, 1.0, 2.5}) {
    const double step = 0.25;
    const Tensor u = at::arange(-120, 120, step, at::kDouble);
    const Tensor grid = at::stack({u.unsqueeze(1).expand({u.size(0), u.size(0)}),
                                   u.unsqueeze(0).expand({u.size(0), u.size(0)}),
                                   at::zeros({u.size(0), u.size(0)}, at::kDouble)},
                                  -1);
    const Tensor log_x = at::log_softmax(grid, -1);
    const Tensor mass =
        (RelaxedOneHotCategorical(t, doubles({0.2, 0.5, 0.3})).log_prob(log_x.exp()) +
         log_x.sum(-1))
            .exp()
            .sum() *
        step * step;
    EXPECT_NEAR(mass.item<double>(), 1, 1e-9) << t;
  }
}

TEST(RelaxedOneHotCategorical, LogRatiosOfDrawsAreLogistic) {
  // temperature log(x_i / x_j) - (logits_i - logits_j) = G_i - G_j.
  const Tensor logits = doubles({0.5, -1, 2});
  const double t = 0.6;
  for (const Random& random : {Random(Stream{.seed = 5}), Random(testing::torch_generator(5))}) {
    const Tensor y = ExpRelaxedCategorical(t, Logits(logits)).sample({200'000}, random);
    EXPECT_LT(y.exp().sum(-1).sub(1).abs().max().item<double>(), 1e-14);
    for (const auto& [i, j] : {std::pair{0, 1}, {1, 2}, {0, 2}}) {
      const Tensor z = t * (y.select(-1, i) - y.select(-1, j)) - (logits[i] - logits[j]);
      EXPECT_GT(partita::ks_p_value(to_vector(z.sigmoid()), [](double u) { return u; }),
                kFalseAlarm);
    }
  }
}

TEST(RelaxedOneHotCategorical, ArgMaxIsCategoricalAtEveryTemperature) {
  const Tensor logits = at::arange(20, at::kDouble) / 5;
  const std::vector<double> p = to_vector(at::softmax(logits, -1));
  constexpr std::int64_t kDraws = 100'000;
  for (const double t : {0.01, 0.5, 10.}) {
    const RelaxedOneHotCategorical q(t, Logits(logits.to(at::kFloat)));
    for (const Random& random : {Random(Stream{.seed = 6}), Random(testing::torch_generator(6))}) {
      std::vector<double> observed(p.size());
      std::vector<double> expected;
      for (const double each : p) expected.push_back(each * kDraws);
      for (const double k : to_vector(q.sample({kDraws}, random).argmax(-1))) {
        ++observed[static_cast<std::size_t>(k)];
      }
      EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << t;
    }
  }
}

TEST(RelaxedOneHotCategorical, SinglePrecisionReachesGapsOverTwenty) {
  // At temperature 1 and equal logits, log x_i - log x_j = G_i - G_j. From uniforms of single
  // precision Gumbels lie in [-2.8, 15.9], so no gap is over 18.8. Of 2^26 Gumbels, the largest is
  // over 17.3 with probability 0.87, the smallest under -2.8 surely; this seed is one of those.
  const ExpRelaxedCategorical q(1, Logits(at::zeros({std::int64_t{1} << 22}, at::kFloat)));
  const Random random(Stream{.seed = 8});
  double gap = 0;
  for (int i = 0; i < 16; ++i) {
    const Tensor y = q.sample(random);
    gap = std::max(gap, (y.max() - y.min()).item<double>());
  }
  EXPECT_GT(gap, 20);
}

TEST(RelaxedOneHotCategorical, DrawsAreFiniteAndScored) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const Tensor logits =
        at::randn({1000}, testing::torch_generator(8), at::TensorOptions(at::kDouble)).to(type);
    const RelaxedOneHotCategorical q(0.1, Logits(logits));
    const Tensor x = q.sample({500}, Stream{.seed = 8});
    EXPECT_TRUE(all_finite(q.log_prob(x)));
    const ExpRelaxedCategorical log_q(0.1, Logits(logits));
    const Tensor y = log_q.sample({500}, Stream{.seed = 8});
    EXPECT_TRUE(all_finite(y));
    const Tensor scored = log_q.log_prob(y);
    EXPECT_TRUE(all_finite(scored));
    if (type == at::kFloat) {
      // Rounding: 1000 terms of about 50, each to 6e-8 of itself a few times over.
      const Tensor precise = ExpRelaxedCategorical(at::scalar_tensor(0.1F).to(at::kDouble),
                                                   Logits(logits.to(at::kDouble)))
                                 .log_prob(y.to(at::kDouble));
      EXPECT_LT((scored - precise).abs().max().item<double>(), 0.02);
    }
  }
}

TEST(RelaxedOneHotCategorical, WhatLogitsHaveInCommonCancels) {
  // Multiples of 1/16, so that single precision holds them with and without the offset.
  constexpr std::int64_t kCategories = 5000;
  const Tensor z = at::arange(kCategories, at::kFloat).mul(7).remainder(64).div(16);
  const Tensor x = RelaxedOneHotCategorical(0.5, Logits(z)).sample(Stream{.seed = 9});
  const auto expected = RelaxedOneHotCategorical(0.5, Logits(z.to(at::kDouble)), false)
                            .log_prob(x.to(at::kDouble))
                            .item<double>();
  // An ulp of each of the terms' sums, which are of 1e5.
  for (const double offset : {0.0, 1e3, -1e3, 1e5}) {
    EXPECT_NEAR(RelaxedOneHotCategorical(0.5, Logits(z + offset)).log_prob(x).item<double>(),
                expected, 0.05)
        << offset;
  }
}

TEST(RelaxedOneHotCategorical, VerticesHaveANumber) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    for (const double t : {0.1, 1., 5.}) {
      for (const std::int64_t k : {2, 3, 1000}) {
        const Tensor logits =
            at::linspace(-1, 1, k, at::TensorOptions(type)).set_requires_grad(true);
        const Tensor value = at::eye(k, at::TensorOptions(type));
        const Tensor scored = RelaxedOneHotCategorical(t, Logits(logits)).log_prob(value);
        EXPECT_TRUE(all_finite(scored));
        scored.sum().backward();
        EXPECT_TRUE(all_finite(logits.grad()));
      }
    }
  }
  // In log space the density has a limit there: 0.
  EXPECT_EQ(ExpRelaxedCategorical(0.1, doubles({0.5, 0.5}))
                .log_prob(doubles({0, -kInfinity}))
                .item<double>(),
            -kInfinity);
}

TEST(RelaxedOneHotCategorical, ImpossibleCategoriesAreAbsent) {
  const Tensor probs = doubles({0.2, 0, 0.8}).set_requires_grad(true);
  const Tensor temperature = at::scalar_tensor(0.5, at::kDouble).set_requires_grad(true);
  const RelaxedOneHotCategorical q(temperature, probs);
  const RelaxedOneHotCategorical without(0.5, doubles({0.2, 0.8}));
  EXPECT_DOUBLE_EQ(q.log_prob(doubles({0.3, 0, 0.7})).item<double>(),
                   without.log_prob(doubles({0.3, 0.7})).item<double>());
  EXPECT_EQ(q.log_prob(doubles({0.3, 0.1, 0.6})).item<double>(), -kInfinity);

  const Tensor x = q.rsample({10}, Stream{.seed = 9});
  EXPECT_TRUE(x.select(-1, 1).eq(0).all().item<bool>());
  (q.log_prob(x).sum() + x.square().sum()).backward();
  EXPECT_TRUE(all_finite(probs.grad())) << probs.grad();
  EXPECT_TRUE(all_finite(temperature.grad()));
}

TEST(RelaxedOneHotCategorical, GradientOfDrawsIsThatOfFiniteDifferences) {
  const Tensor weights = doubles({1, -2, 0.5});
  const auto value = [&](const Tensor& theta) {  // logits, then the temperature
    const RelaxedOneHotCategorical q(theta[3], Logits(theta.slice(0, 0, 3)));
    return (q.rsample({50}, Stream{.seed = 10}) * weights).sum();
  };
  const Tensor theta = doubles({0.5, -1, 0.3, 0.8}).set_requires_grad(true);
  value(theta).backward();
  for (std::int64_t i = 0; i < 4; ++i) {
    const Tensor step = at::zeros({4}, at::kDouble);
    step[i] = 1e-6;
    const at::NoGradGuard no_grad;
    const Tensor slope = (value(theta + step) - value(theta - step)) / 2e-6;
    EXPECT_NEAR(theta.grad()[i].item<double>(), slope.item<double>(), 1e-6);
  }
}

TEST(RelaxedOneHotCategorical, ShapesPrefixesAndErrors) {
  const RelaxedOneHotCategorical q(at::tensor({2.2}), at::tensor({0.1F, 0.2F, 0.3F, 0.4F}));
  EXPECT_EQ(q.batch_shape(), IntArrayRef());  // as in Python's own example
  EXPECT_EQ(q.event_shape(), IntArrayRef({4}));
  EXPECT_EQ(q.temperature().item<float>(), 2.2F);
  EXPECT_TRUE(
      q.sample({64}, Stream{.seed = 2}).slice(0, 0, 32).equal(q.sample({32}, Stream{.seed = 2})));
  const RelaxedOneHotCategorical many(at::full({5, 1}, 0.5), Logits(at::zeros({3, 7})));
  EXPECT_EQ(many.batch_shape(), IntArrayRef({5, 3}));
  EXPECT_EQ(many.sample({2}, Stream{}).sizes(), IntArrayRef({2, 5, 3, 7}));
  EXPECT_EQ(many.log_prob(at::full({7}, 1. / 7)).sizes(), IntArrayRef({5, 3}));
  EXPECT_EQ(many.expand({4, 5, 3})->sample(Stream{}).sizes(), IntArrayRef({4, 5, 3, 7}));

  EXPECT_EQ(message_of<InvalidArgument>([] { RelaxedOneHotCategorical(0, at::full({2}, 0.5)); }),
            "temperature: RelaxedOneHotCategorical: expected a number > 0, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              ExpRelaxedCategorical(1, at::tensor({0.5, 0.25}));
            }),
            "probs: ExpRelaxedCategorical: expected probabilities that sum to 1, got [0.5, 0.25]");
  EXPECT_EQ(message_of<InvalidArgument>([] { ExpRelaxedCategorical(1, 0.5); }),
            "probs: ExpRelaxedCategorical: expected 1 dimensions or more, got shape []");
}

// --- Two outcomes -------------------------------------------------------------------------------

TEST(RelaxedBernoulli, Draws) {
  testing::expect_draws_follow_cdf(RelaxedBernoulli(0.7, 0.3));
  testing::expect_draws_follow_cdf(LogitRelaxedBernoulli(2.5, Logits(-1.)));
}

TEST(RelaxedBernoulli, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<RelaxedBernoulli>(p[0], p[1]); }, {0.7, 0.3});
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<LogitRelaxedBernoulli>(p[0], Logits(p[1])); },
      {0.7, 0.3});
}

TEST(RelaxedBernoulli, IsTheConcreteOfTwo) {
  const Tensor x = at::linspace(0.01, 0.99, 99, at::kDouble);
  EXPECT_TRUE(at::allclose(
      RelaxedBernoulli(at::scalar_tensor(0.7, at::kDouble), 0.3).log_prob(x),
      RelaxedOneHotCategorical(0.7, doubles({0.3, 0.7})).log_prob(at::stack({x, 1 - x}, -1)), 1e-12,
      1e-12));
}

TEST(RelaxedBernoulli, CdfIsTheIntegralOfTheDensity) {
  const Tensor x = doubles({0.001, 0.2, 0.5, 0.9, 0.9999});
  const RelaxedBernoulli q(at::scalar_tensor(0.7, at::kDouble), 0.3);
  const double step = 1e-7;
  EXPECT_TRUE(
      at::allclose((q.cdf(x + step) - q.cdf(x - step)) / (2 * step), q.log_prob(x).exp(), 1e-6));
  EXPECT_TRUE(at::allclose(q.icdf(q.cdf(x)), x, 1e-12));
  EXPECT_TRUE(at::allclose(q.log_cdf(x).exp() + q.log_survival(x).exp(), at::ones_like(x)));
  EXPECT_TRUE(q.cdf(doubles({0, 1})).equal(doubles({0, 1})));
}

TEST(RelaxedBernoulli, EndsHaveANumber) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const Tensor logits = at::tensor({-80., 0., 80.}).to(type).set_requires_grad(true);
    const RelaxedBernoulli q(0.1, Logits(logits));
    const Tensor scored = q.log_prob(at::tensor({0., 1.}).to(type).unsqueeze(-1));
    EXPECT_TRUE(all_finite(scored));
    scored.sum().backward();
    EXPECT_TRUE(all_finite(logits.grad()));
    EXPECT_TRUE(all_finite(q.log_prob(q.sample({1000}, Stream{.seed = 1}))));
  }
  // Python's diff - 2 log(1 + e^diff) overflows at diff = 800.
  const LogitRelaxedBernoulli far(1., Logits(at::scalar_tensor(800., at::kDouble)));
  EXPECT_EQ(far.log_prob(doubles({0})).item<double>(), -800);
  EXPECT_EQ(far.log_prob(doubles({kInfinity})).item<double>(), -kInfinity);
}

TEST(RelaxedBernoulli, CertainCoinsArePointMasses) {
  const Tensor probs = doubles({0, 1}).set_requires_grad(true);
  const Tensor temperature = at::scalar_tensor(0.5, at::kDouble).set_requires_grad(true);
  const RelaxedBernoulli q(temperature, probs);
  const Tensor x = q.rsample({3}, Stream{.seed = 1});
  EXPECT_TRUE(x.equal(doubles({0, 1}).expand({3, 2})));
  EXPECT_TRUE(q.log_prob(x).equal(at::zeros({3, 2}, at::kDouble)));
  EXPECT_TRUE(q.log_prob(doubles({0.5})).equal(doubles({-kInfinity, -kInfinity})));
  EXPECT_TRUE(q.cdf(doubles({0.5})).equal(doubles({1, 0})));
  EXPECT_TRUE(q.cdf(doubles({1})).equal(doubles({1, 1})));
  (x.sum() + q.log_prob(x).sum()).backward();
  EXPECT_TRUE(all_finite(probs.grad()));
  EXPECT_TRUE(all_finite(temperature.grad()));
}

TEST(RelaxedBernoulli, NamesWhatIsWrong) {
  EXPECT_EQ(message_of<InvalidArgument>([] { RelaxedBernoulli(0, 0.5); }),
            "temperature: RelaxedBernoulli: expected a number > 0, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              LogitRelaxedBernoulli(1, at::tensor({0.5, 1.5}));
            }),
            "probs: LogitRelaxedBernoulli: expected a number in [0, 1], got 1.5 at [1]");
  EXPECT_EQ(RelaxedBernoulli(at::tensor({2.2}), at::full({4}, 0.5)).batch_shape(),
            IntArrayRef({4}));
}

// --- Rankings -----------------------------------------------------------------------------------

TEST(RelaxedPlackettLuce, IsTheAlgorithmOfThePaper) {
  const Tensor z = doubles({1, -2, 0.5, 3, 0, 0.2}).view({2, 3});
  const double t = 0.7;
  Tensor left = z;
  std::vector<Tensor> rows;
  for (int j = 0; j < 3; ++j) {
    rows.push_back((left / t).softmax(-1));
    left = left + (1 - rows.back()).log();
  }
  const Tensor expected = at::stack(rows, -2);
  EXPECT_TRUE(at::allclose(relaxed_top_k(z, 3, t), expected, 1e-12));
  EXPECT_TRUE(at::allclose(relaxed_top_k(z, 2, doubles({t, t})), expected.slice(1, 0, 2), 1e-12));
  // Hard, if the temperature is low.
  const Tensor hard = at::eye(3, at::kDouble).index_select(0, at::tensor({0, 2, 1}));
  EXPECT_TRUE(at::allclose(relaxed_top_k(z, 3, 1e-6)[0], hard, 0, 1e-12));
  EXPECT_TRUE(at::equal(relaxed_top_k(z.to(at::kFloat), 3, 1e-30)[0], hard.to(at::kFloat)));
}

TEST(RelaxedPlackettLuce, AColdOneIsARanking) {
  const Tensor z = doubles({1, -kInfinity, 0.5, 3, 0});
  constexpr std::int64_t kDraws = 50'000;
  const PlackettLuce hard(Logits(z), 3);
  const RelaxedPlackettLuce q(1e-7, Logits(z), 3);  // near ties stay ties when it is warmer
  const Tensor digits = at::tensor({25, 5, 1}, at::kLong);
  const Tensor all = hard.enumerate_support();
  const std::vector<double> p = to_vector(hard.log_prob(all).exp() * kDraws);
  const std::vector<double> cells = to_vector((all * digits).sum(-1));
  for (const Random& random : {Random(Stream{.seed = 6}), Random(testing::torch_generator(6))}) {
    std::vector<double> expected(125);
    std::vector<double> observed(125);
    for (std::size_t i = 0; i < p.size(); ++i) expected[static_cast<std::size_t>(cells[i])] = p[i];
    for (const double cell : to_vector((q.sample({kDraws}, random).argmax(-1) * digits).sum(-1))) {
      ++observed[static_cast<std::size_t>(cell)];
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  }
}

TEST(RelaxedPlackettLuce, TheFirstRowIsRelaxedOneHotCategorical) {
  const Tensor z = at::arange(12, at::kDouble).view({2, 6}).cos();
  const Tensor x = RelaxedPlackettLuce(0.8, Logits(z), 4).sample({20}, Stream{.seed = 7});
  EXPECT_EQ(x.sizes(), IntArrayRef({20, 2, 4, 6}));
  EXPECT_TRUE(at::allclose(
      x.select(-2, 0), RelaxedOneHotCategorical(0.8, Logits(z)).sample({20}, Stream{.seed = 7})));
  EXPECT_TRUE(RelaxedPlackettLuce(0.8, Logits(z), 4).support().check(x).all().item<bool>());
  // What is certain may round to 1, and still is not gone: at high temperatures it comes again.
  const Tensor far = doubles({60, 0, 1});
  EXPECT_TRUE(at::allclose(relaxed_top_k(far.to(at::kFloat), 3, 2).to(at::kDouble),
                           relaxed_top_k(far, 3, 2), 1e-4, 1e-6));
}

TEST(RelaxedPlackettLuce, Gradients) {
  const Tensor weights = at::arange(1, 16, at::kDouble).view({3, 5}).sin();
  testing::expect_gradient(
      [&](const auto& t) {
        const RelaxedPlackettLuce q(t[1], Logits(t[0]), 3);
        return (q.rsample({20}, Stream{.seed = 9}) * weights).sum();
      },
      {doubles({1, -2, 0.5, 3, 0}), doubles({0.8})}, 1e-6);
  for (const double temperature : {1e-30, 1e-3, 1., 1e5}) {
    const Tensor probs = at::tensor({0.2F, 0.F, 0.5F, 0.3F}).set_requires_grad(true);
    const RelaxedPlackettLuce q(temperature, probs, 3);
    const Tensor x = q.rsample({50}, Stream{.seed = 10});
    EXPECT_TRUE(x.select(-1, 1).eq(0).all().item<bool>());
    EXPECT_TRUE(at::allclose(x.sum({-1, -2}), at::full({50}, 3.F)));
    x.square().sum().backward();
    EXPECT_TRUE(all_finite(x) && all_finite(probs.grad())) << temperature << probs.grad();
  }
}

TEST(RelaxedPlackettLuce, SaysWhatIsWrong) {
  const Tensor z = doubles({1, 2, -kInfinity});
  EXPECT_EQ(message_of<InvalidArgument>([&] { RelaxedPlackettLuce(0.5, Logits(z), 4); }),
            "k: RelaxedPlackettLuce: expected 1 to 3, the number of categories, got 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { RelaxedPlackettLuce(0.5, Logits(z), 3); }),
            "logits: RelaxedPlackettLuce: expected logits in [-inf, +inf), 3 or more of them > "
            "-inf, got [1, 2, -inf]");
  EXPECT_EQ(message_of<InvalidArgument>([&] { RelaxedPlackettLuce(-1, Logits(z), 2); }),
            "temperature: RelaxedPlackettLuce: expected a number > 0, got -1");
  EXPECT_EQ(message_of<InvalidArgument>([&] { relaxed_top_k(z, 0, 1); }),
            "k: relaxed_top_k: expected 1 to 3, the number of categories, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { relaxed_top_k(z, 2, 0); }),
            "temperature: relaxed_top_k: expected a number > 0, got 0");
  const RelaxedPlackettLuce q(0.5, Logits(z), 2);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              (void)q.log_prob(q.sample(Stream{}));
            }).find("log_prob: not available for RelaxedPlackettLuce"),
            std::string::npos);
  EXPECT_EQ(RelaxedPlackettLuce(0.5, Logits(z.to(at::kHalf)), 2).sample(Stream{}).scalar_type(),
            at::kHalf);
}

}  // namespace
}  // namespace partita::distributions
