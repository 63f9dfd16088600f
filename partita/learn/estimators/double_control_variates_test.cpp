// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/double_control_variates.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using testing::Problem;

/// Four bits whose f is far from linear, and curved as a decoder's likelihood is.
Problem four_bits() {
  const Tensor w = testing::numbers({1, -2, 0.5, 3, -1, 2, 0, 1}).view({4, 2});
  return testing::enumerated(
      {.name = "four bits",
       .theta =
           at::stack({testing::numbers({0.3, -1, 0.8, 0}), testing::numbers({2.5, -2, 1, -0.4})}),
       .distribution =
           [](const Tensor& logits) {
             return std::make_shared<distributions::Independent>(
                 distributions::Bernoulli(distributions::Logits(logits)), 1);
           },
       .f = [w](const Tensor& x, const Tensor&) { return at::softplus(x.matmul(w) - 1).prod(-1); },
       .gradient = {},
       .value = {}});
}

TEST(DoubleControlVariates, IsUnbiased) {
  for (const Problem& problem :
       {testing::bernoulli(), testing::bernoulli_with_own_parameter(), testing::categorical(),
        testing::three_coins(), four_bits(), testing::two_categories()}) {
    for (const std::int64_t n : {2, 5}) {
      for (const double scale : {1.0, 0.6}) {
        DoubleControlVariates estimator({.samples = n, .scale = scale, .tune = false});
        testing::expect_unbiased(problem, estimator, 50'000);
      }
    }
  }
}

TEST(DoubleControlVariates, OfLinearFunctionsAreExact) {
  auto problem = testing::categorical();
  const Tensor c = testing::numbers({1, -0.5, 2, 0.3, -1});
  problem.f = [c](const Tensor& x, const Tensor&) { return (c * x).sum(-1) + 7; };
  const Tensor p = problem.theta.softmax(-1);
  DoubleControlVariates estimator({.samples = 3});
  EXPECT_TRUE(at::allclose(testing::estimates(problem, estimator, 5).gradient,
                           p * (c - (p * c).sum(-1, true)), 1e-12, 1e-14));
}

TEST(DoubleControlVariates, WithoutScaleAreLeaveOneOut) {
  const auto problem = four_bits();
  DoubleControlVariates none({.samples = 4, .scale = 0, .tune = false});
  ScoreFunction leave_one_out({.samples = 4, .baseline = baselines::LeaveOneOut{}});
  EXPECT_TRUE(at::allclose(testing::estimates(problem, none, 20).gradient,
                           testing::estimates(problem, leave_one_out, 20).gradient, 1e-10, 1e-12));
}

TEST(DoubleControlVariates, LearnTheScaleOfLeastVariance) {
  const auto problem = four_bits();
  constexpr std::int64_t kRows = 20'000;
  const auto variance = [&](double scale) {
    DoubleControlVariates estimator({.samples = 4, .scale = scale, .tune = false});
    return testing::estimates(problem, estimator, kRows).gradient.var(0).sum().item<double>();
  };
  // E[g^2] is a parabola in the scale; its slope at a scale is what backward() leaves.
  DoubleControlVariates tuned({.samples = 4, .scale = 0.5});
  testing::estimates(problem, tuned, kRows);
  const double slope = tuned.parameters()[0].grad().item<double>();
  const double by_difference = (variance(0.6) - variance(0.4)) / 0.2 * kRows;
  EXPECT_NEAR(slope / by_difference, 1, 0.02);
  EXPECT_LT(variance(0.8), 0.7 * variance(0));
  EXPECT_EQ(tuned.scale(), 0.5);
  EXPECT_TRUE(DoubleControlVariates({.tune = false}).parameters().empty());
}

TEST(DoubleControlVariates, SayWhatTheyDoNotFit) {
  EXPECT_THROW(DoubleControlVariates({.samples = 1}), InvalidArgument);
  EXPECT_EQ(testing::refusal(DoubleControlVariates(), distributions::Normal(0, 1)),
            "distribution: DoubleControlVariates: expected Bernoulli, OneHotCategorical or an "
            "Independent of one, got Normal(loc: 0, scale: 1)");
  DoubleControlVariates estimator;
  try {
    estimator(
        distributions::Bernoulli(at::full({2}, 0.5)),
        [](const Tensor& z) { return z.detach().round(); }, Stream{1});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "f: DoubleControlVariates: expected a differentiable function of the samples");
  }
}

}  // namespace
}  // namespace partita::estimators
