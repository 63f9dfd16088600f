// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/minimize_functional.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/random.hpp"

namespace partita {
namespace {

using testing::message_of;

Tensor grid(double from, double to, std::int64_t points) {
  return at::linspace(from, to, points, at::kDouble);
}

/// The largest distance of a minimum from a function.
double off(const FunctionalMinimum& found, const Tensor& exact) {
  return (found.f - exact).abs().max().item<double>();
}

TEST(IntegrateFunctional, IsTheMidpointRule) {
  const Tensor x = at::tensor({0.0, 1.0, 3.0}, at::kDouble);
  const Tensor f = at::tensor({0.0, 2.0, 4.0}, at::kDouble);
  // Midpoints .5 and 2, f there 1 and 3, slopes 2 and 1, steps 1 and 2.
  const Tensor value =
      integrate_functional([](const Tensor& at, const Tensor& height,
                              const Tensor& slope) { return at + 10 * height + 100 * slope; },
                           x, f);
  EXPECT_DOUBLE_EQ(value.item<double>(), (0.5 + 10 + 200) + 2 * (2 + 30 + 100));
}

TEST(MinimizeFunctional, TheShortestPathIsStraight) {
  const Tensor x = grid(0, 4, 33);
  const Tensor line = 1 + x / 2;
  const Tensor bumps = Random(Stream{.seed = 1}).normal({33}, at::kDouble);
  const Tensor start = line + bumps * (x * (4 - x)) / 4;
  const auto length = [](const Tensor&, const Tensor&, const Tensor& slope) {
    return (1 + slope.square()).sqrt();
  };
  const FunctionalMinimum found = minimize_functional(length, x, start);
  EXPECT_LT(off(found, line), 1e-5);
  EXPECT_NEAR(found.value, std::sqrt(20), 1e-9);
}

/// F = f'^2 + f^2 asks for f'' = f: sinh x / sinh 1 between 0 and 1.
TEST(MinimizeFunctional, SolvesTheEquationOfEulerAndLagrange) {
  const auto energy = [](const Tensor&, const Tensor& f, const Tensor& slope) {
    return slope.square() + f.square();
  };
  double coarse = 0;
  for (const std::int64_t points : {11, 41}) {
    const Tensor x = grid(0, 1, points);
    const FunctionalMinimum found = minimize_functional(energy, x, x.clone());
    const double error = off(found, x.sinh() / std::sinh(1));
    EXPECT_LT(error, 1e-3);
    EXPECT_NEAR(found.value, 1 / std::tanh(1), 1e-3);
    if (points == 41) {
      EXPECT_LT(error, coarse / 12) << "falls with the square of the step";
    }
    coarse = error;
  }
}

/// Free ends: F = f'^2 + (f - x)^2 asks for f'' = f - x and f' = 0 at both ends.
TEST(MinimizeFunctional, FreeEndsHaveNaturalConditions) {
  const Tensor x = grid(0, 1, 101);
  const auto follow = [](const Tensor& at, const Tensor& f, const Tensor& slope) {
    return slope.square() + (f - at).square();
  };
  const FunctionalMinimum found = minimize_functional(follow, x, at::zeros_like(x), Ends::free);
  // f = x + A e^x + B e^-x, with f'(0) = f'(1) = 0.
  const double e = std::numbers::e;
  const double a = -(1 - 1 / e) / (e - 1 / e);
  const double b = 1 + a;
  EXPECT_LT(off(found, x + a * x.exp() + b * (-x).exp()), 1e-4);
}

TEST(MinimizeFunctional, RefusesWhatCannotBe) {
  const auto any = [](const Tensor&, const Tensor& f, const Tensor&) { return f.log(); };
  const auto refusal = [&](const Tensor& x, const Tensor& start) {
    return message_of<InvalidArgument>([&] { minimize_functional(any, x, start); });
  };
  EXPECT_EQ(refusal(grid(0, 1, 2), grid(0, 1, 2)), "x: expected 3 or more (points), got 2");
  EXPECT_EQ(refusal(grid(0, 1, 4), grid(0, 1, 3)), "f: expected the shape of x");
  EXPECT_EQ(refusal(grid(1, 0, 4), grid(0, 1, 4)), "x: expected increasing numbers");
  EXPECT_EQ(refusal(grid(0, 1, 4).to(at::kFloat), grid(0, 1, 4)), "x: expected double precision");
  EXPECT_EQ(refusal(grid(0, 1, 4), -grid(0, 1, 4)), "start: the integral is not finite there");
}

}  // namespace
}  // namespace partita
