// SPDX-License-Identifier: Apache-2.0
#include "partita/search/importance_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "tests/golden/synthetic_universe.hpp"

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

TEST(ImportanceWeight, ByItsFormula) {
  for (const double phi : {-0.1, -1.0, -5.0, -20.0}) {
    for (const double kappa : {-8.0, -2.0, 0.0, 3.0}) {
      const double q = -std::expm1(-std::exp(phi - kappa));
      EXPECT_NEAR(importance_weight(phi, kappa) / (std::exp(phi) / q), 1, 1e-13);
    }
    EXPECT_EQ(importance_weight(phi, kMinusInfinity), std::exp(phi));
  }
}

// p = e^-1000 underflows, and so does q; p / q is e^kappa.
TEST(ImportanceWeight, ForProbabilitiesBelowDouble) {
  EXPECT_NEAR(importance_weight(-1000, 2), std::exp(2.0), 1e-9);
}

TEST(ImportanceWeight, OfTheImpossibleIsZero) {
  for (const double threshold : {kMinusInfinity, -3.0, 5.0}) {
    EXPECT_EQ(importance_weight(kMinusInfinity, threshold), 0);
  }
  const std::vector<double> log_prob{std::log(0.5), kMinusInfinity};
  EXPECT_EQ(estimate(log_prob, -1, std::vector<double>{1, 1e300}).normalized, 1);
}

TEST(Estimate, ExactWhenTheSampleIsTheSupport) {
  const std::vector<double> log_prob{std::log(0.5), std::log(0.3), std::log(0.2)};
  const std::vector<double> f{1, -2, 10};
  const Estimate e = estimate(log_prob, kMinusInfinity, f);
  EXPECT_NEAR(e.plain, 1.9, 1e-14);
  EXPECT_NEAR(e.normalized, 1.9, 1e-14);
}

TEST(Estimate, Refusals) {
  const std::vector<double> two{-1, -1};
  const std::vector<double> bad{-1, std::nan("")};
  EXPECT_THROW(estimate(two, 0, {}), InvalidArgument);
  EXPECT_THROW(estimate({}, 0, {}), InvalidArgument);
  EXPECT_THROW(estimate(bad, 0, two), InvalidArgument);
}

/// Standard deviation, and that of its own estimate (from the fourth moment).
struct Spread {
  double deviation;
  double error;

  /// The error of the same statistic from fewer repetitions.
  double error_at(double repetitions, double own) const {
    return error * std::sqrt(own / repetitions);
  }
};

Spread spread_of(const std::vector<double>& sample, double center) {
  const auto n = static_cast<double>(sample.size());
  double second = 0;
  double fourth = 0;
  for (const double x : sample) {
    second += std::pow(x - center, 2) / n;
    fourth += std::pow(x - center, 4) / n;
  }
  const double deviation = std::sqrt(second);
  return {deviation, deviation * std::sqrt((fourth / (second * second) - 1) / (4 * n))};
}

// The figures of Shi, Bieber, Sutton (ICML 2020) for their synthetic universe, which were made with
// 2000 repetitions and are known to two digits. They draw Gumbels in hindsight, given the order of
// the sample; those have the distribution of the sample's own, and so have the estimates.
TEST(Estimate, HasThePublishedDeviation) {
  const auto& p = golden::kUniverseProbabilities;
  const auto& values = golden::kUniverseValues;
  const double exact = std::inner_product(p.begin(), p.end(), values.begin(), 0.0);
  std::vector<double> phi;
  for (const double x : p) phi.push_back(std::log(x));
  constexpr std::size_t kRepetitions = 8000;
  constexpr double kTheirs = 2000;
  constexpr double kDigits = 0.005;
  struct Row {
    std::size_t k;
    double normalized;
    double monte_carlo;
    double digits;
  };
  std::printf("   k  normalized  published  Monte Carlo  published\n");
  for (const Row& row : {Row{5, .51, .73, kDigits}, Row{10, .27, .53, kDigits},
                         Row{20, .13, .36, kDigits}, Row{50, .027, .23, kDigits / 10}}) {
    std::vector<double> plain;
    std::vector<double> normalized;
    std::vector<double> monte_carlo;
    for (std::size_t r = 0; r < kRepetitions; ++r) {
      const TopKSample sample = gumbel_top_k(Rows(std::span(phi)), row.k, Stream{100 + row.k, r});
      std::vector<double> f;
      for (const auto i : sample.indices) f.push_back(values[static_cast<std::size_t>(i)]);
      const Estimate e = estimate(sample.log_prob, sample.threshold[0], f);
      plain.push_back(e.plain);
      normalized.push_back(e.normalized);
      double mean = 0;
      Draws draws({300 + row.k, r});
      for (std::size_t i = 0; i < row.k; ++i) {
        double u = draws.uniform();
        std::size_t item = 0;
        while (item + 1 < p.size() && (u -= p[item]) > 0) ++item;
        mean += values[item] / static_cast<double>(row.k);
      }
      monte_carlo.push_back(mean);
    }
    EXPECT_LT(z_score(plain, exact), kFiveSigma);
    EXPECT_LT(z_score(monte_carlo, exact), kFiveSigma);
    const Spread ours = spread_of(normalized, exact);
    const Spread theirs = spread_of(monte_carlo, exact);
    std::printf("%4zu  %10.4f  %9.3f  %11.4f  %9.3f\n", row.k, ours.deviation, row.normalized,
                theirs.deviation, row.monte_carlo);
    const auto tolerance = [&](const Spread& s, double digits) {
      return digits + kFiveSigma * std::hypot(s.error, s.error_at(kTheirs, kRepetitions));
    };
    EXPECT_NEAR(ours.deviation, row.normalized, tolerance(ours, row.digits));
    EXPECT_NEAR(theirs.deviation, row.monte_carlo, tolerance(theirs, kDigits));
  }
}

}  // namespace
}  // namespace partita
