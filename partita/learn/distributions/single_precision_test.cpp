// SPDX-License-Identifier: Apache-2.0
// log_prob with gamma functions: in which type it is computed, and expanded parameters.
#include "partita/learn/distributions/internal/numeric.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/poisson.hpp"

namespace partita::distributions {
namespace {

constexpr std::int64_t kMany = 10'000;

/// The largest error of a log-probability in single precision, in units of the larger of 10 and its
/// size.
double error(const Tensor& single, const Tensor& exact) {
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  return ((single.to(at::kDouble) - exact).abs() / exact.abs().clamp_min(10)).max().item<double>();
}

TEST(LogGammaType, SinglePrecisionKeepsItsDigits) {
  const Random random = Stream{.seed = 41};
  const at::TensorOptions single(at::kFloat);
  const auto wide = [](const Tensor& x) { return x.to(at::kDouble); };
  for (const double largest : {1.0, 4.0, 8.0, 16.0}) {
    const Tensor a = largest * random.uniform({kMany}, single);
    const Tensor b = largest * random.uniform({kMany}, single);
    ASSERT_EQ(log_gamma_type({a, b}), at::kFloat);  // and of a + b, up to 8
    const Tensor rate = (4 * random.normal({kMany}, single)).exp();
    const Tensor x = Gamma(a, rate).sample(random);
    EXPECT_LT(error(Gamma(a, rate).log_prob(x), Gamma(wide(a), wide(rate)).log_prob(wide(x))), 5e-7)
        << largest;
    const Tensor y = Beta(a, b).sample(random);
    EXPECT_LT(error(Beta(a, b).log_prob(y), Beta(wide(a), wide(b)).log_prob(wide(y))), 5e-7)
        << largest;
    const Tensor k = Poisson(a).sample(random).clamp_max(16);
    EXPECT_LT(error(Poisson(a).log_prob(k), Poisson(wide(a)).log_prob(wide(k))), 5e-7) << largest;
    const Tensor c = a.view({-1, 100});
    const Tensor simplex = Dirichlet(c).sample(random);
    EXPECT_LT(
        error(Dirichlet(c).log_prob(simplex), Dirichlet(wide(c), false).log_prob(wide(simplex))),
        5e-7)
        << largest;
  }
}

TEST(LogGammaType, IsDoubleForLargeOrMixedArguments) {
  const Tensor small = at::full({3}, 2.0F);
  EXPECT_EQ(log_gamma_type({small}), at::kFloat);
  EXPECT_EQ(log_gamma_type({small, at::full({}, 17.0F)}), at::kDouble);
  EXPECT_EQ(log_gamma_type({small, at::full({}, 2.0, at::kDouble)}), at::kDouble);
  EXPECT_EQ(log_gamma_type({at::full({}, std::nanf(""))}), at::kDouble);
}

TEST(Unexpanded, LeavesTheShapeOfLogProb) {
  const Tensor x = at::full({}, 0.3);
  EXPECT_EQ(Gamma(2, 3).expand({4, 5})->log_prob(x).sizes(), IntArrayRef({4, 5}));
  EXPECT_EQ(Beta(2, 3).expand({4, 5})->log_prob(x).sizes(), IntArrayRef({4, 5}));
  EXPECT_EQ(Poisson(2).expand({4, 5})->log_prob(at::ones({})).sizes(), IntArrayRef({4, 5}));
  const Dirichlet dirichlet(at::full({}, 2.0).expand({3}));
  const Tensor thirds = at::full({3}, 1.0 / 3);
  EXPECT_EQ(dirichlet.expand({4, 5})->log_prob(thirds).sizes(), IntArrayRef({4, 5}));
  // 2 * (1 / 3)^3 * 5! / 2
  EXPECT_NEAR(dirichlet.log_prob(thirds).item<double>(), std::log(120.0 / 27), 1e-6);
  EXPECT_EQ(Gamma(2, 3).expand({4})->sample({2}, Stream{}).sizes(), IntArrayRef({2, 4}));
}

TEST(LogProb, IsExactWhereRateTimesValueUnderflows) {
  const Tensor tiny = at::full({}, 1e-38F);
  const Tensor c = at::full({}, 0.5F);
  const Tensor rate = at::full({}, 1e-20F);
  // -log(x) / 2 + log(rate) / 2 - log(Gamma(1/2))
  EXPECT_NEAR(Gamma(c, rate).log_prob(tiny).item<double>(),
              -std::log(1e-38) / 2 + std::log(1e-20) / 2 - std::lgamma(0.5), 1e-5);
}

}  // namespace
}  // namespace partita::distributions
