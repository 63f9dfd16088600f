// SPDX-License-Identifier: Apache-2.0
#include "partita/random/variates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kDraws = 200'000;

std::vector<double> sample(const std::function<double(Draws&)>& variate, std::uint64_t id) {
  Draws draws(Stream{.seed = 31, .id = id});
  std::vector<double> values(kDraws);
  for (double& x : values) x = variate(draws);
  return values;
}

/// The chi-square p-value of whole numbers around their mean, eight standard deviations each way in
/// cells of a fifteenth of a deviation or more, against a probability mass function.
double p_value_of_counts(const std::vector<double>& draws, double mean, double deviation,
                         const std::function<double(double)>& log_probability) {
  const double low = std::max(0.0, std::floor(mean - 8 * deviation));
  const double width = std::max(1.0, std::floor(deviation / 15));
  const auto cells = static_cast<std::size_t>((mean + 8 * deviation + 10 - low) / width) + 1;
  std::vector<double> observed(cells);
  std::vector<double> expected(cells);
  for (const double x : draws) {
    EXPECT_EQ(x, std::floor(x));
    const double cell = std::floor((x - low) / width);
    if (cell < 0 || cell >= static_cast<double>(cells)) return 0;
    ++observed[static_cast<std::size_t>(cell)];
  }
  for (std::size_t c = 0; c < cells; ++c) {
    for (double i = 0; i < width; ++i) {
      const double k = low + static_cast<double>(c) * width + i;
      expected[c] += std::exp(log_probability(k)) * static_cast<double>(draws.size());
    }
  }
  return chi_square_p_value(observed, expected);
}

TEST(LogGammaVariate, HasItsDistribution) {
  std::uint64_t id = 0;
  for (const double a : {0.05, 0.5, 0.999, 1.0, 1.5, 10.0, 1000.0}) {
    const auto draws = sample([&](Draws& d) { return log_gamma_variate(d, a); }, ++id);
    EXPECT_GT(ks_p_value(draws, [&](double x) { return 1 - gamma_q(a, std::exp(x)); }), kFalseAlarm)
        << a;
    EXPECT_LT(ks_p_value(draws, [&](double x) { return 1 - gamma_q(a * 1.05, std::exp(x)); }),
              kFalseAlarm)
        << a;
  }
}

TEST(LogGammaVariate, HasItsLimitsWhereTheDrawsUnderflowOrAreLarge) {
  // P(X <= x) -> x^a / Gamma(a + 1) as a -> 0: then a log X is minus an exponential. The error of
  // the limit is O(a).
  const auto tiny = sample([](Draws& d) { return -1e-6 * log_gamma_variate(d, 1e-6); }, 20);
  EXPECT_GT(ks_p_value(tiny, [](double x) { return -std::expm1(-x); }), kFalseAlarm);
  Draws draws(Stream{.seed = 1, .id = 1});
  EXPECT_LT(log_gamma_variate(draws, 1e-12), -1e8);
  // Wilson and Hilferty (1931): the cube root is normal, within 1e-7 at this concentration.
  const double a = 1e6;
  const auto large = sample(
      [&](Draws& d) {
        const double root = std::exp((log_gamma_variate(d, a) - std::log(a)) / 3);
        return (root - (1 - 1 / (9 * a))) * std::sqrt(9 * a);
      },
      21);
  EXPECT_GT(ks_p_value(large, [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }),
            kFalseAlarm);
}

TEST(FillLogGamma, HasItsDistribution) {
  std::uint64_t id = 400;
  std::vector<double> draws(kDraws);
  for (const double a : {0.05, 0.5, 0.999, 1.0, 1.5, 10.0, 1000.0}) {
    fill_log_gamma({.seed = 31, .id = id += 10}, 3, std::vector<double>(kDraws, a), draws);
    EXPECT_GT(ks_p_value(draws, [&](double x) { return 1 - gamma_q(a, std::exp(x)); }), kFalseAlarm)
        << a;
    EXPECT_LT(ks_p_value(draws, [&](double x) { return 1 - gamma_q(a * 1.05, std::exp(x)); }),
              kFalseAlarm)
        << a;
  }
  // Normal, but for a skewness of 2e-4: 1e-5 in the CDF.
  fill_log_gamma({.seed = 31, .id = id += 10}, 0, std::vector<double>(kDraws, 1e8), draws);
  for (double& x : draws) x = std::expm1(x - std::log(1e8)) * 1e4;
  EXPECT_GT(ks_p_value(draws, [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }),
            kFalseAlarm);
  fill_log_gamma({.seed = 31, .id = id + 10}, 0, std::vector<double>(kDraws, 1e20), draws);
  for (const double x : draws) ASSERT_NEAR(x, std::log(1e20), 1e-9);
}

TEST(FillVariates, DoNotDependOnHowARangeIsSplit) {
  const Stream stream{.seed = 32, .id = 5};
  std::vector<double> concentrations(3000);
  for (std::size_t i = 0; i < concentrations.size(); ++i) {
    concentrations[i] = 0.1 * static_cast<double>(i % 300);
  }
  concentrations[7] = kInfinity;
  concentrations[8] = 1e308;
  const std::span<const double> all(concentrations);
  std::vector<double> counts(all.size());
  fill_poisson(stream, 11, all, counts);
  std::vector<double> whole(all.size());
  fill_log_gamma(stream, 11, all, whole);
  for (const std::size_t step : {1U, 3U, 255U, 256U, 257U, 2999U}) {
    std::vector<double> parts(all.size());
    std::vector<double> count_parts(all.size());
    for (std::size_t i = 0; i < all.size(); i += step) {
      const std::size_t n = std::min<std::size_t>(step, all.size() - i);
      fill_log_gamma(stream, 11 + i, all.subspan(i, n), std::span(parts).subspan(i, n));
      fill_poisson(stream, 11 + i, all.subspan(i, n), std::span(count_parts).subspan(i, n));
    }
    EXPECT_EQ(whole, parts) << step;
    EXPECT_EQ(counts, count_parts) << step;
  }
  EXPECT_EQ(counts[0], 0);
  EXPECT_EQ(counts[7], kInfinity);
  EXPECT_EQ(whole[0], -kInfinity);
  EXPECT_EQ(whole[7], kInfinity);
  EXPECT_NEAR(whole[8], std::log(1e308), 1e-9);
}

TEST(PoissonVariate, HasItsDistribution) {
  std::uint64_t id = 100;
  for (const double rate : {0.01, 0.7, 3.0, 9.99, 10.0, 12.5, 40.0, 1234.5, 1e6}) {
    auto draws = sample([&](Draws& d) { return poisson_variate(d, rate); }, ++id);
    const auto p_value = [&](double of) {
      return p_value_of_counts(draws, rate, std::sqrt(rate), [&](double k) {
        return k * std::log(of) - of - std::lgamma(k + 1);
      });
    };
    EXPECT_GT(p_value(rate), kFalseAlarm) << rate;
    EXPECT_LT(p_value(rate + 0.05 * std::sqrt(rate)), kFalseAlarm) << rate;
    fill_poisson({.seed = 31, .id = 1000 + 10 * id}, 5, std::vector<double>(kDraws, rate), draws);
    EXPECT_GT(p_value(rate), kFalseAlarm) << rate;
  }
}

TEST(PoissonVariate, IsNormalAtRatesWhereLogarithmsOfFactorialsHaveNoDigitsLeft) {
  const double rate = 1e14;  // skewness 1e-7
  const auto draws =
      sample([&](Draws& d) { return (poisson_variate(d, rate) - rate) / std::sqrt(rate); }, 120);
  EXPECT_GT(ks_p_value(draws, [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }),
            kFalseAlarm);
}

TEST(BinomialVariate, HasItsDistribution) {
  struct Case {
    double n;
    double p;
  };
  std::uint64_t id = 200;
  for (const Case& c : std::vector<Case>{{1, 0.3},
                                         {5, 0.5},
                                         {19, 0.5},
                                         {20, 0.5},
                                         {25, 0.9},
                                         {40, 0.3},
                                         {1000, 0.004},
                                         {1000, 0.02},
                                         {1000, 0.97},
                                         {1e6, 0.4},
                                         {1e9, 1e-8},
                                         {1e9, 1e-9},
                                         {1e9, 2e-4}}) {
    const double n = c.n;
    const double p = c.p;
    const auto draws = sample([&](Draws& d) { return binomial_variate(d, n, p); }, ++id);
    const double deviation = std::sqrt(n * p * (1 - p));
    const auto p_value = [&](double of) {
      return p_value_of_counts(draws, n * p, deviation, [&](double k) {
        if (k > n) return -kInfinity;
        return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(of) +
               (n - k) * std::log1p(-of);
      });
    };
    EXPECT_GT(p_value(p), kFalseAlarm) << n << ", " << p;
    EXPECT_LT(p_value(p - 0.05 * deviation / n), kFalseAlarm) << n << ", " << p;
  }
}

TEST(VonMisesVariate, HasItsDistribution) {
  std::uint64_t id = 300;
  for (const double concentration : {1e-6, 0.01, 0.5, 1.0, 4.0, 30.0}) {
    // The CDF by Simpson's rule on 4,000 intervals, error under 1e-9.
    constexpr std::size_t kIntervals = 4000;
    std::vector<double> cdf(kIntervals + 1);
    const double h = 2 * std::numbers::pi / kIntervals;
    const auto density = [&](double x) { return std::exp(concentration * (std::cos(x) - 1)); };
    for (std::size_t i = 0; i < kIntervals; ++i) {
      const double x = -std::numbers::pi + static_cast<double>(i) * h;
      cdf[i + 1] = cdf[i] + h / 6 * (density(x) + 4 * density(x + h / 2) + density(x + h));
    }
    const auto draws = sample([&](Draws& d) { return von_mises_variate(d, concentration); }, ++id);
    EXPECT_GT(ks_p_value(draws,
                         [&](double x) {
                           const double place =
                               std::clamp((x + std::numbers::pi) / h, 0.0, kIntervals - 1e-6);
                           const auto i = static_cast<std::size_t>(place);
                           return std::lerp(cdf[i], cdf[i + 1], place - static_cast<double>(i)) /
                                  cdf.back();
                         }),
              kFalseAlarm)
        << concentration;
  }
  // Normal of variance 1 / concentration, within O(1 / concentration).
  for (const double concentration : {1e6, 1e12}) {
    const auto draws = sample(
        [&](Draws& d) { return von_mises_variate(d, concentration) * std::sqrt(concentration); },
        ++id);
    EXPECT_GT(ks_p_value(draws, [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }),
              kFalseAlarm);
  }
}

TEST(Variates, AreCertainWhereTheirDistributionIs) {
  Draws draws(Stream{.seed = 5, .id = 5});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(poisson_variate(draws, 0), 0);
    EXPECT_EQ(binomial_variate(draws, 0, 0.3), 0);
    EXPECT_EQ(binomial_variate(draws, 1e9, 0), 0);
    EXPECT_EQ(binomial_variate(draws, 1e9, 1), 1e9);
    const double low = binomial_variate(draws, 30, 0.4);
    EXPECT_TRUE(low >= 0 && low <= 30);
    const double angle = von_mises_variate(draws, 0);
    EXPECT_LE(std::abs(angle), std::numbers::pi);
  }
  EXPECT_EQ(log_gamma_variate(draws, 0), -kInfinity);
  EXPECT_EQ(log_gamma_variate(draws, kInfinity), kInfinity);
  EXPECT_EQ(poisson_variate(draws, kInfinity), kInfinity);
  EXPECT_EQ(von_mises_variate(draws, kInfinity), 0);
}

TEST(Variates, AreNaNOutsideTheirRange) {
  Draws draws(Stream{.seed = 5, .id = 6});
  for (const double bad : {-1.0, -0.1, -kInfinity, kNaN}) {
    EXPECT_TRUE(std::isnan(log_gamma_variate(draws, bad)));
    std::vector<double> filled(40);
    fill_log_gamma({.seed = 5}, 0, std::vector<double>(40, bad), filled);
    const auto is_nan = [](double x) { return std::isnan(x); };
    EXPECT_TRUE(std::all_of(filled.begin(), filled.end(), is_nan));
    fill_poisson({.seed = 5}, 0, std::vector<double>(40, bad), filled);
    EXPECT_TRUE(std::all_of(filled.begin(), filled.end(), is_nan));
    EXPECT_TRUE(std::isnan(poisson_variate(draws, bad)));
    EXPECT_TRUE(std::isnan(von_mises_variate(draws, bad)));
    EXPECT_TRUE(std::isnan(binomial_variate(draws, bad, 0.5)));
    EXPECT_TRUE(std::isnan(binomial_variate(draws, 5, bad)));
  }
  EXPECT_TRUE(std::isnan(binomial_variate(draws, 5, 1.5)));
}

}  // namespace
}  // namespace partita
