// SPDX-License-Identifier: Apache-2.0
#include "partita/random/goodness_of_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using testing::message_of;

/// Q(n, x) = P(Poisson(x) < n) for whole n.
double poisson_below(int n, double x) {
  double sum = 0;
  for (int k = 0; k < n; ++k) sum += std::exp(k * std::log(x) - x - std::lgamma(k + 1.0));
  return sum;
}

TEST(GammaQ, EqualsItsClosedForms) {
  for (const double x : {1e-3, 0.1, 0.7, 1.0, 1.4, 1.6, 3.0, 20.0, 300.0}) {
    EXPECT_NEAR(gamma_q(0.5, x) / std::erfc(std::sqrt(x)), 1, 1e-12) << x;
    EXPECT_NEAR(gamma_q(1, x) / std::exp(-x), 1, 1e-12) << x;
    EXPECT_NEAR(gamma_q(2, x) / ((1 + x) * std::exp(-x)), 1, 1e-12) << x;
  }
  for (const double x : {60.0, 99.0, 102.0, 180.0}) {
    EXPECT_NEAR(gamma_q(100, x) / poisson_below(100, x), 1, 1e-12) << x;
  }
  EXPECT_EQ(gamma_q(3, 0), 1);
  EXPECT_EQ(gamma_q(3, -1), 1);
}

TEST(ChiSquare, EqualsItsClosedFormForThreeDegrees) {
  const double x = (13.0 * 13 + 7 * 7 + 5 * 5 + 15 * 15) / 25;
  const double expected =
      std::erfc(std::sqrt(x / 2)) + std::sqrt(2 * x / std::numbers::pi) * std::exp(-x / 2);
  EXPECT_NEAR(chi_square_p_value(std::vector<double>{12, 18, 30, 40}, std::vector<double>(4, 25)),
              expected, 1e-12);
}

TEST(ChiSquare, PoolsRareCells) {
  // Three cells of expectation 2 count as one of 6: two cells, one degree of freedom.
  const double x = 16.0 / 94 + 16.0 / 6;
  EXPECT_NEAR(
      chi_square_p_value(std::vector<double>{90, 2, 8, 0}, std::vector<double>{94, 2, 2, 2}),
      std::erfc(std::sqrt(x / 2)), 1e-12);
  EXPECT_EQ(chi_square_p_value(std::vector<double>{10, 1}, std::vector<double>{11, 0}), 0);
  EXPECT_EQ(chi_square_p_value(std::vector<double>{11, 0}, std::vector<double>{11, 0}), 1);
}

TEST(BinomialUpperTail, EqualsExactValues) {
  // By Python's integers and decimals of 60 digits.
  struct Value {
    std::uint64_t n;
    double p;
    std::uint64_t k;
    double tail;
  };
  for (const auto& [n, p, k, tail] :
       {Value{10, 0.3, 4, 3.50389281600000000e-1}, Value{1000, 0.25, 300, 1.93590321949078964e-4},
        Value{30'000, 0.5, 15'200, 1.06210051295989388e-2},
        Value{30'000, 0.5, 16'000, 3.89043696493408239e-31},
        Value{30'000, 0.5, 14'900, 8.77072298978979228e-1},
        Value{100'000, 0.25, 25'001, 4.98300488874010271e-1},
        Value{100'000, 0.25, 24'500, 9.99875233939084433e-1}}) {
    EXPECT_NEAR(binomial_upper_tail(n, p, k) / tail, 1, 1e-11) << n << ' ' << k;
  }
  EXPECT_EQ(binomial_upper_tail(5, 0.3, 0), 1);
  EXPECT_DOUBLE_EQ(binomial_upper_tail(5, 0.5, 5), 1.0 / 32);
  EXPECT_DOUBLE_EQ(binomial_upper_tail(5, 0.5, 1), 31.0 / 32);
}

TEST(KolmogorovSmirnov, EqualsTheTableOfItsDistribution) {
  // The asymptotic critical values of Smirnov's (1948) table.
  struct Critical {
    double lambda;
    double p;
  };
  constexpr std::size_t kCount = 10'000;
  std::vector<double> grid(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    grid[i] = (static_cast<double>(i) + 0.5) / static_cast<double>(kCount);
  }
  const double root = std::sqrt(static_cast<double>(kCount));
  for (const auto& [lambda, p] : {Critical{0.82757, 0.5}, Critical{1.22385, 0.1},
                                  Critical{1.35810, 0.05}, Critical{1.62762, 0.01}}) {
    const double distance = lambda / (root + 0.12 + 0.11 / root);
    const double shift = distance - 0.5 / static_cast<double>(kCount);
    EXPECT_NEAR(ks_p_value(grid, [&](double u) { return u + shift; }), p, 2e-5) << lambda;
    EXPECT_NEAR(ks_p_value(grid, [&](double u) { return u - shift; }), p, 2e-5) << lambda;
  }
  EXPECT_EQ(ks_p_value(grid, [](double u) { return u; }), 1);
}

TEST(ZScore, CountsStandardErrors) {
  EXPECT_DOUBLE_EQ(z_score(std::vector<double>{1, 2, 3, 4}, 2), 0.5 / std::sqrt(5.0 / 3 / 4));
  // kFiveSigma is the two-sided quantile of kFalseAlarm.
  EXPECT_NEAR(std::erfc(kFiveSigma / std::numbers::sqrt2) / kFalseAlarm, 1, 1e-3);
}

TEST(GoodnessOfFit, RefusesWhatIsTooLittle) {
  const std::vector<double> one{1};
  EXPECT_EQ(message_of<InvalidArgument>([&] { chi_square_p_value(one, {}); }),
            "expected: expected 1 (one for each cell), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { ks_p_value({}, [](double u) { return u; }); }),
            "sample: expected 1 or more (values), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { z_score(one, 0); }),
            "sample: expected 2 or more (values), got 1");
}

}  // namespace
}  // namespace partita
