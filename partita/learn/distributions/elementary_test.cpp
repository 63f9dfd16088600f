// SPDX-License-Identifier: Apache-2.0
// Exponential, Laplace, Cauchy, Uniform: those whose every function is elementary.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/cauchy.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/laplace.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/learn/distributions/uniform.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::kInfinity;

using testing::number;

/// d f / d x at x by automatic differentiation.
double slope(const std::function<Tensor(const Tensor&)>& f, double x) {
  Tensor leaf = number(x).set_requires_grad(true);
  f(leaf).backward();
  return leaf.grad().item<double>();
}

TEST(Exponential, Draws) { testing::expect_draws_follow_cdf(Exponential(2.5)); }

// Of tensors of every layout, with and without gradients: they take different ways.
TEST(Exponential, LogProbOfAnyLayout) {
  const Shape batches[] = {{}, {1}, {3}, {1, 3}, {5, 1}, {5, 3}};
  const Shape values[] = {{}, {1}, {3}, {5, 3}, {2, 5, 3}, {2, 1, 1}, {0, 5, 3}};
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const Shape& batch : batches) {
      for (const Shape& shape : values) {
        const Tensor rate = at::rand(batch, at::TensorOptions(type)) + 0.5;
        Tensor value = at::randn(shape, at::TensorOptions(type));
        if (value.numel() > 2) value.view(-1).narrow(0, 0, 2).copy_(at::tensor({-kInf, kInf}));
        const Tensor line = rate.log() - rate * value;
        const Tensor wanted =
            at::where((value < 0).expand(line.sizes()), at::full({}, -kInf, line.options()), line);
        const auto check = [&](const Tensor& r, const Tensor& x) {
          const Tensor scored = Exponential(r, false).log_prob(x);
          ASSERT_EQ(scored.sizes(), wanted.sizes());
          EXPECT_EQ(scored.scalar_type(), type);
          EXPECT_TRUE(at::allclose(scored, wanted, 1e-6, 1e-6)) << batch << ' ' << shape;
        };
        check(rate, value);
        check(rate, value.clone().requires_grad_());
        check(rate.clone().requires_grad_(), value);
        if (value.dim() > 1) check(rate, value.transpose(0, 1).contiguous().transpose(0, 1));
      }
    }
  }
}

TEST(Exponential, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Exponential>(p[0]); }, {2.5});
}

TEST(Exponential, TailsDoNotUnderflow) {
  const Exponential exponential(number(2));
  EXPECT_EQ(exponential.log_survival(number(1000)).item<double>(), -2000);
  EXPECT_DOUBLE_EQ(exponential.log_cdf(number(20)).item<double>(), -std::exp(-40.0));
  EXPECT_DOUBLE_EQ(exponential.cdf(number(1e-20)).item<double>(), 2e-20);
  EXPECT_DOUBLE_EQ(exponential.log_cdf(number(1e-20)).item<double>(), std::log(2e-20));
  EXPECT_DOUBLE_EQ(exponential.icdf(number(1e-20)).item<double>(), 5e-21);
  EXPECT_EQ(exponential.log_cdf(number(0)).item<double>(), -kInfinity);
  // d log(1 - e^(-2x)) = 2 / (e^(2x) - 1), on both sides of where the two forms meet.
  for (const double x : {1e-9, 0.3466 - 1e-4, 0.3466 + 1e-4, 300.0}) {
    EXPECT_NEAR(slope([&](const Tensor& t) { return exponential.log_cdf(t); }, x),
                2 / std::expm1(2 * x), 1e-13 / x);
  }
}

TEST(Laplace, Draws) { testing::expect_draws_follow_cdf(Laplace(-1, 3)); }

TEST(Laplace, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Laplace>(p[0], p[1]); }, {0.5, 2});
}

TEST(Laplace, TailsDoNotUnderflow) {
  const Laplace laplace(number(0), 1);
  EXPECT_DOUBLE_EQ(laplace.cdf(number(-100)).item<double>(), std::exp(-100) / 2);
  EXPECT_DOUBLE_EQ(laplace.log_cdf(number(-2000)).item<double>(), -2000 - std::log(2));
  EXPECT_DOUBLE_EQ(laplace.log_survival(number(2000)).item<double>(), -2000 - std::log(2));
  EXPECT_DOUBLE_EQ(laplace.log_cdf(number(50)).item<double>(), -std::exp(-50) / 2);
  EXPECT_DOUBLE_EQ(laplace.icdf(number(1e-40)).item<double>(), std::log(2e-40));
  EXPECT_EQ(laplace.icdf(number(0)).item<double>(), -kInfinity);
  EXPECT_EQ(laplace.icdf(number(1)).item<double>(), kInfinity);
  EXPECT_EQ(slope([&](const Tensor& t) { return laplace.cdf(t); }, 0), 0.5);
  EXPECT_EQ(slope([&](const Tensor& t) { return laplace.log_cdf(t); }, -2000), 1);
}

TEST(Cauchy, Draws) { testing::expect_draws_follow_cdf(Cauchy(2, 0.5)); }

TEST(Cauchy, DrawsReachFar) {
  // P(|Z| > 1e4) = 2e-4 / pi, 254.6 of 4e6.
  const Tensor draws = Cauchy(at::scalar_tensor(0.F), 1).sample({4'000'000}, Stream{.seed = 5});
  const auto far = (draws.abs() > 1e4).sum().item<double>();
  EXPECT_LT(std::abs(far - 254.6), kFiveSigma * std::sqrt(254.6));
}

TEST(Cauchy, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Cauchy>(p[0], p[1]); }, {0.5, 2});
}

TEST(Cauchy, TailsDoNotUnderflow) {
  const Cauchy cauchy(number(0), 1);
  constexpr double kPi = 3.14159265358979323846;
  EXPECT_DOUBLE_EQ(cauchy.cdf(number(-1e20)).item<double>(), 1e-20 / kPi);
  EXPECT_DOUBLE_EQ(cauchy.log_cdf(number(1e20)).item<double>(), -1e-20 / kPi);
  EXPECT_DOUBLE_EQ(cauchy.log_survival(number(1e20)).item<double>(), std::log(1e-20 / kPi));
  EXPECT_DOUBLE_EQ(cauchy.icdf(number(1e-20)).item<double>(), -1e20 / kPi);
  EXPECT_DOUBLE_EQ(cauchy.icdf(number(0.75)).item<double>(), 1);
  EXPECT_EQ(cauchy.icdf(number(0.5)).item<double>(), 0);
  EXPECT_EQ(cauchy.icdf(number(0)).item<double>(), -kInfinity);
  EXPECT_DOUBLE_EQ(cauchy.log_prob(number(1e200)).item<double>(),
                   -2 * std::log(1e200) - std::log(kPi));
  EXPECT_TRUE(std::isnan(cauchy.mean().item<double>()));
  EXPECT_EQ(cauchy.variance().item<double>(), kInfinity);
}

TEST(Uniform, Draws) { testing::expect_draws_follow_cdf(Uniform(-1, 3)); }

TEST(Uniform, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Uniform>(p[0], p[1]); }, {-1, 3});
}

TEST(Uniform, Ends) {
  const Uniform uniform(number(-1), 3);
  EXPECT_DOUBLE_EQ(uniform.log_prob(number(3)).item<double>(), -std::log(4));
  EXPECT_DOUBLE_EQ(uniform.log_prob(number(-1)).item<double>(), -std::log(4));
  EXPECT_DOUBLE_EQ(uniform.log_survival(number(-1)).item<double>(), 0);
  EXPECT_EQ(uniform.log_survival(number(3)).item<double>(), -kInfinity);
  EXPECT_EQ(Uniform(number(-1), 3, false).log_prob(number(3.1)).item<double>(), -kInfinity);
  EXPECT_EQ(Uniform(number(-1), 3, false).cdf(number(-1.1)).item<double>(), 0);
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Uniform(at::tensor({0.0, 4.0}), 3);
            }),
            "low, high: Uniform: expected low < high, got 4 and 3");
}

}  // namespace
}  // namespace partita::distributions
