// SPDX-License-Identifier: Apache-2.0
// Gamma, Chi2, InverseGamma.
#include "partita/learn/distributions/gamma.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/inverse_gamma.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::kInfinity;

using testing::number;

TEST(Gamma, Draws) {
  for (const double concentration : {0.05, 0.7, 1.0, 3.5, 2000.0}) {
    testing::expect_draws_follow_cdf(Gamma(number(concentration), 2.5));
  }
}

TEST(Gamma, PathwiseGradient) {
  for (const double concentration : {0.3, 1.0, 7.0, 300.0}) {
    testing::expect_pathwise_gradient(
        [](const auto& p) { return std::make_shared<Gamma>(p[0], p[1]); }, {concentration, 2.5});
  }
}

TEST(Gamma, CdfHasAllItsGradients) {
  const auto cdf = [](const Tensor& concentration, const Tensor& rate, const Tensor& value) {
    return Gamma(concentration, rate).log_survival(value);
  };
  std::vector<Tensor> inputs{number(3), number(2), number(4)};
  for (Tensor& input : inputs) input.set_requires_grad(true);
  cdf(inputs[0], inputs[1], inputs[2]).backward();
  constexpr double kStep = 1e-6;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto moved = [&](double step) {
      std::vector<Tensor> at{number(3), number(2), number(4)};
      at[i] = at[i] + step;
      return cdf(at[0], at[1], at[2]).item<double>();
    };
    EXPECT_NEAR(inputs[i].grad().item<double>(), (moved(kStep) - moved(-kStep)) / (2 * kStep), 1e-8)
        << i;
  }
}

TEST(Gamma, HasNoSecondDerivativeAndSaysSo) {
  const Tensor concentration = number(3).set_requires_grad(true);
  const Tensor draw = Gamma(concentration, 1).rsample(Stream{.seed = 1});
  const auto gradient = torch::autograd::grad({draw}, {concentration}, {}, true, true);
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { gradient[0].backward(); }),
      "create_graph: implicit draws and tails of gamma, beta and von Mises distributions have "
      "no second derivative");
}

TEST(Gamma, TinyConcentrations) {
  // Half of these draws are below the smallest number of double; none may be 0.
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    Tensor concentration = at::full({1000}, 1e-3, type).set_requires_grad(true);
    const Gamma gamma(concentration, 1);
    const Tensor draws = gamma.rsample(Stream{.seed = 2});
    EXPECT_GT(draws.min().item<double>(), 0);
    EXPECT_TRUE(gamma.log_prob(draws).isfinite().all().item<bool>());
    draws.log().sum().backward();
    EXPECT_TRUE(concentration.grad().isfinite().all().item<bool>());
  }
}

TEST(Gamma, TailsDoNotUnderflow) {
  // mpmath: log(gammainc(3, 2000, regularized=True)) and so on.
  EXPECT_NEAR(Gamma(number(3), 2).log_survival(number(1000)).item<double>(), -1985.4903422616423,
              1e-10);
  EXPECT_NEAR(Gamma(number(300), 1).log_cdf(number(1)).item<double>(), -1415.9025221917655, 1e-10);
  EXPECT_NEAR(Gamma(number(0.5), 1).cdf(number(1e-300)).item<double>() / 1.1283791670955126e-150, 1,
              1e-12);
  EXPECT_NEAR(Chi2(number(4)).log_survival(number(3000)).item<double>(), -1492.6861131683665,
              1e-10);
}

TEST(Gamma, Ends) {
  const Gamma one(number(1), 2);
  EXPECT_DOUBLE_EQ(one.log_prob(number(0)).item<double>(), std::log(2));
  EXPECT_EQ(Gamma(number(2), 2).log_prob(number(0)).item<double>(), -kInfinity);
  EXPECT_EQ(Gamma(number(0.5), 2).log_prob(number(0)).item<double>(), kInfinity);
  EXPECT_EQ(one.cdf(number(0)).item<double>(), 0);
  EXPECT_EQ(one.log_cdf(number(0)).item<double>(), -kInfinity);
  EXPECT_EQ(one.log_survival(number(0)).item<double>(), 0);
  EXPECT_EQ(one.cdf(number(kInfinity)).item<double>(), 1);
  for (const auto& value : {0.0, 1.0, 1e6}) {
    Tensor x = number(value).set_requires_grad(true);
    (one.log_prob(x) + one.cdf(x) + one.log_survival(x)).backward();
    EXPECT_TRUE(std::isfinite(x.grad().item<double>())) << value;
  }
  EXPECT_EQ(Gamma(number(0.5), 2).mode().item<double>(), 0);
}

TEST(Gamma, SinglePrecisionKeepsItsDigits) {
  // The terms that cancel are of size 1e6, of which a float keeps 0.06.
  const Gamma single(at::scalar_tensor(1e5F), 1);
  EXPECT_NEAR(single.log_prob(at::scalar_tensor(1e5F)).item<double>(),
              Gamma(number(1e5), 1).log_prob(number(1e5)).item<double>(), 1e-5);
  EXPECT_EQ(single.cdf(at::scalar_tensor(1e5F)).scalar_type(), at::kFloat);
  EXPECT_EQ(single.entropy().scalar_type(), at::kFloat);
  EXPECT_EQ(single.sample(Stream{}).scalar_type(), at::kFloat);
}

TEST(Chi2, IsAGammaNamedByItsDegreesOfFreedom) {
  const Chi2 chi2(number(3));
  testing::expect_draws_follow_cdf(chi2);
  testing::expect_pathwise_gradient([](const auto& p) { return std::make_shared<Chi2>(p[0]); },
                                    {3});
  EXPECT_EQ(chi2.to_string(), "Chi2(df: 3)");
  EXPECT_EQ(chi2.mean().item<double>(), 3);
  EXPECT_EQ(chi2.variance().item<double>(), 6);
  EXPECT_EQ(chi2.expand({2})->mean().sizes(), IntArrayRef({2}));
  EXPECT_EQ(message_of<InvalidArgument>([] { Chi2(-1.0); }),
            "df: Chi2: expected a number > 0, got -1");
}

TEST(InverseGamma, Draws) {
  testing::expect_draws_follow_cdf(InverseGamma(number(0.7), 2.5));
  testing::expect_draws_follow_cdf(InverseGamma(number(30), 2.5));
}

TEST(InverseGamma, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<InverseGamma>(p[0], p[1]); }, {3, 2.5});
}

TEST(InverseGamma, AgainstTheGammaOfItsReciprocal) {
  const Tensor x = at::tensor({1e-3, 0.1, 1.0, 5.0, 1e3}, at::kDouble);
  const InverseGamma inverse(number(3), 2);
  const Gamma gamma(number(3), 2);
  // The density of 1 / X is that of X times x^-2.
  EXPECT_TRUE(at::allclose(inverse.log_prob(x), gamma.log_prob(1 / x) - 2 * x.log(), 1e-13));
  EXPECT_TRUE(at::allclose(inverse.log_cdf(x), gamma.log_survival(1 / x), 1e-13));
  EXPECT_TRUE(at::allclose(inverse.log_survival(x), gamma.log_cdf(1 / x), 1e-13));
  EXPECT_TRUE(at::allclose(inverse.cdf(x), inverse.log_cdf(x).exp(), 1e-13));
  EXPECT_EQ(inverse.mean().item<double>(), 1);
  EXPECT_EQ(inverse.variance().item<double>(), 1);
  EXPECT_EQ(InverseGamma(number(1), 2).mean().item<double>(), kInfinity);
  EXPECT_EQ(InverseGamma(number(2), 2).variance().item<double>(), kInfinity);
  const Tensor tiny = InverseGamma(at::full({1000}, 1e-3), 1).sample(Stream{.seed = 3});
  EXPECT_TRUE(tiny.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace partita::distributions
