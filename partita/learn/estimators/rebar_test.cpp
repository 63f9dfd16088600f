// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/rebar.hpp"

#include <gtest/gtest.h>

#include "partita/learn/estimators/internal/discrete.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"
#include "partita/learn/rows.hpp"

namespace partita::estimators {
namespace {

constexpr std::int64_t kDraws = 100'000;

TEST(DiscreteVariables, ConditionalDrawsHaveTheDistributionOfFreeOnes) {
  const Random random(Stream{.seed = 3});
  const auto expect_distribution = [&](const DiscreteVariables& variables, const auto& cdf) {
    const Tensor hard = variables.hard(variables.perturbed({kDraws}, random));
    const Tensor conditional = variables.perturbed_given(hard, random);
    EXPECT_TRUE(at::equal(variables.hard(conditional), hard));
    for (std::int64_t i = 0; i < variables.logits.size(-1); ++i) {
      const auto logit = variables.logits[i].item<double>();
      const auto draws = to_vector(conditional.select(-1, i));
      EXPECT_GT(ks_p_value(draws, [&](double x) { return cdf(x - logit); }), kFalseAlarm);
    }
  };
  expect_distribution({testing::numbers({-2, 0.1, 3}), false},
                      [](double x) { return 1 / (1 + std::exp(-x)); });
  expect_distribution({testing::numbers({-2, 0.1, 3, 1}).log_softmax(0), true},
                      [](double x) { return std::exp(-std::exp(-x)); });
}

TEST(DiscreteVariables, ConditionalDrawsAreExactInTheTails) {
  // 1 bits of logit -200 and 0 bits of logit 200: their z' is an exponential from 0.
  const DiscreteVariables rare{at::full({kDraws}, -200., at::kDouble), false};
  const Tensor z = rare.perturbed_given(at::ones({kDraws}, at::kDouble), Stream{.seed = 4});
  EXPECT_GT(ks_p_value(to_vector(z), [](double x) { return -std::expm1(-x); }), kFalseAlarm);
}

/// Sum over rows of the squared estimate, one sample each.
double second_moment(const testing::Problem& problem, const RebarOptions& options,
                     std::int64_t rows) {
  Rebar rebar(options);
  return testing::estimates(problem, rebar, rows).gradient.square().sum().item<double>();
}

TEST(Rebar, LeavesTheGradientOfItsVariance) {
  for (const auto& problem : {testing::bernoulli(), testing::categorical()}) {
    const RebarOptions options{.temperature = 0.6, .scale = 0.8};
    constexpr std::int64_t kRows = 50;
    Rebar rebar(options);
    testing::estimates(problem, rebar, kRows);
    const double step = 1e-5;
    const auto slope = [&](auto change) {
      RebarOptions up = options;
      RebarOptions down = options;
      change(up, step);
      change(down, -step);
      return (second_moment(problem, up, kRows) - second_moment(problem, down, kRows)) / (2 * step);
    };
    const double in_log_temperature =
        slope([](RebarOptions& o, double by) { o.temperature *= std::exp(by); });
    const double in_scale = slope([](RebarOptions& o, double by) { o.scale += by; });
    // Central differences with this step are good to 1e-8 relative here.
    EXPECT_NEAR(rebar.parameters()[0].grad().item<double>() / in_log_temperature, 1, 1e-6);
    EXPECT_NEAR(rebar.parameters()[1].grad().item<double>() / in_scale, 1, 1e-6);
  }
}

TEST(Rebar, TuningLowersTheVariance) {
  const auto problem = testing::categorical();
  const RebarOptions start{.temperature = 5, .scale = 0.1};
  Rebar rebar(start);
  constexpr std::int64_t kRows = 200;
  for (std::uint64_t step = 0; step < 300; ++step) {
    for (Tensor& parameter : rebar.parameters()) parameter.mutable_grad() = Tensor();
    testing::estimates(problem, rebar, kRows, step);
    const at::NoGradGuard no_grad;
    for (Tensor& parameter : rebar.parameters()) {
      parameter.sub_(0.05 * parameter.grad() / static_cast<double>(kRows));
    }
  }
  ScoreFunction score_function;
  const auto moment = [&](Estimator& estimator) {
    return testing::estimates(problem, estimator, 20'000).gradient.square().sum().item<double>();
  };
  Rebar untuned(start);
  EXPECT_LT(moment(rebar), 0.6 * moment(untuned));
  EXPECT_LT(moment(rebar), 0.6 * moment(score_function));
}

TEST(Rebar, TuningLeavesOtherGradientsAlone) {
  const auto problem = testing::bernoulli_with_own_parameter();
  Rebar tuned({.tune = true});
  Rebar fixed({.tune = false});
  EXPECT_TRUE(at::allclose(testing::estimates(problem, tuned, 20).gradient,
                           testing::estimates(problem, fixed, 20).gradient, 1e-12));
  EXPECT_TRUE(fixed.parameters().empty());
}

TEST(Relax, WithRebarsControlVariateIsRebar) {
  const auto problem = testing::categorical();
  Rebar rebar({.samples = 2, .temperature = 0.5, .scale = 0.9});
  const Tensor scale = at::scalar_tensor(0.9, at::kDouble).set_requires_grad(true);
  Relax relax({.samples = 2,
               .control_variate =
                   [&](const Tensor& z) { return scale * problem.f((z / 0.5).softmax(-1), {}); },
               .parameters = {scale}});
  EXPECT_TRUE(at::allclose(testing::estimates(problem, rebar, 20).gradient,
                           testing::estimates(problem, relax, 20).gradient, 1e-12));
  EXPECT_NEAR(scale.grad().item<double>() / rebar.parameters()[1].grad().item<double>(), 1, 1e-12);
}

TEST(Relax, WithATemperatureAddsItsControlVariateToRebars) {
  const auto problem = testing::categorical();
  Rebar rebar({.samples = 2, .temperature = 0.7, .tune = false});
  Relax nothing_more({.samples = 2,
                      .control_variate = [](const Tensor& z) { return at::zeros_like(z.sum(-1)); },
                      .temperature = 0.7});
  EXPECT_TRUE(at::allclose(testing::estimates(problem, rebar, 20).gradient,
                           testing::estimates(problem, nothing_more, 20).gradient, 1e-12));

  Relax both({.control_variate = [](const Tensor& z) { return 0.3 * z.sin().sum(-1); },
              .temperature = 0.7});
  const Tensor gradient = testing::estimates(problem, both, kDraws).gradient;
  const Tensor error = (gradient.mean(0) - problem.gradient).abs();
  EXPECT_TRUE((error < kFiveSigma * testing::standard_error(gradient)).all().item<bool>()) << error;
}

TEST(Rebar, NamesWhatIsWrong) {
  EXPECT_THROW(Relax({.control_variate = [](const Tensor& z) { return z; }, .temperature = 0}),
               InvalidArgument);
  EXPECT_THROW(Rebar({.temperature = 0}), InvalidArgument);
  EXPECT_THROW(Relax({}), InvalidArgument);
  const distributions::Bernoulli coin{
      distributions::Logits(testing::numbers({0.1}).set_requires_grad(true))};
  Rebar rebar;
  EXPECT_THROW(rebar(
                   coin, [](const Tensor& b) { return (b > 0.5).to(at::kDouble); }, Stream{1}),
               InvalidArgument);
}

}  // namespace
}  // namespace partita::estimators
