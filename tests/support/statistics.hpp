// What the statistical tests share: p-values of Pearson's chi-square and of Kolmogorov and Smirnov,
// and the bound that all of them use. With fixed seeds a test either always passes or always fails;
// kFalseAlarm is the chance that a correct program drew the unlucky seed when the test was written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

namespace partita::testing {

inline constexpr double kFalseAlarm = 1e-6;

/// Upper regularized incomplete gamma function Q(a, x), by its series or continued fraction
/// (Abramowitz and Stegun 6.5.29 and 6.5.31).
inline double gamma_q(double a, double x) {
  if (x <= 0) return 1;
  const double log_front = a * std::log(x) - x - std::lgamma(a);
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double n = a + 1; term > sum * 1e-16; n += 1) sum += term *= x / n;
    return 1 - sum * std::exp(log_front);
  }
  double b = x + 1 - a;
  double c = 1e300;
  double d = 1 / b;
  double h = d;
  for (int i = 1; i < 100000; ++i) {
    const double an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const double delta = d * c;
    h *= delta;
    if (std::abs(delta - 1) < 1e-15) break;
  }
  return h * std::exp(log_front);
}

/// p-value of Pearson's statistic. Cells whose expectation is under 5 are pooled; an observation in
/// a cell of expectation zero gives 0.
inline double chi_square_p_value(std::span<const double> observed,
                                 std::span<const double> expected) {
  double statistic = 0;
  double pooled_observed = 0;
  double pooled_expected = 0;
  int cells = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    if (expected[i] <= 0) {
      if (observed[i] > 0) return 0;
    } else if (expected[i] < 5) {
      pooled_observed += observed[i];
      pooled_expected += expected[i];
    } else {
      statistic += (observed[i] - expected[i]) * (observed[i] - expected[i]) / expected[i];
      ++cells;
    }
  }
  if (pooled_expected > 0) {
    statistic +=
        (pooled_observed - pooled_expected) * (pooled_observed - pooled_expected) / pooled_expected;
    ++cells;
  }
  return cells < 2 ? 1 : gamma_q((cells - 1) / 2.0, statistic / 2);
}

/// p-value of the two-sided Kolmogorov-Smirnov test of a sample against a continuous CDF, by the
/// asymptotic distribution with Stephens' correction: for samples of 100 or more.
inline double ks_p_value(std::vector<double> sample, const std::function<double(double)>& cdf) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = cdf(sample[i]);
    distance =
        std::max({distance, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  const double lambda = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  if (lambda < 0.2) return 1;
  double sum = 0;
  for (int j = 1; j <= 100; ++j) {
    sum += (j % 2 == 1 ? 2 : -2) * std::exp(-2.0 * j * j * lambda * lambda);
  }
  return std::clamp(sum, 0.0, 1.0);
}

/// |mean - expected| in standard errors of the mean.
inline double z_score(std::span<const double> sample, double expected) {
  double mean = 0;
  for (const double x : sample) mean += x;
  mean /= static_cast<double>(sample.size());
  double variance = 0;
  for (const double x : sample) variance += (x - mean) * (x - mean);
  variance /= static_cast<double>(sample.size() - 1);
  return std::abs(mean - expected) / std::sqrt(variance / static_cast<double>(sample.size()));
}

/// z_score of a correct estimator exceeds this with probability kFalseAlarm.
inline constexpr double kFiveSigma = 4.8916;

}  // namespace partita::testing
