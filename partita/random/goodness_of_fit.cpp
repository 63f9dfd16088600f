// SPDX-License-Identifier: Apache-2.0
#include "partita/random/goodness_of_fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "partita/base/internal/check.hpp"
#include "partita/random/internal/saddle_point.hpp"

namespace partita {

double gamma_q(double a, double x) {
  if (x <= 0) return 1;
  const double log_front = a * std::log(x) - x - std::lgamma(a);
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double n = a + 1; term > sum * 1e-17; n += 1) sum += term *= x / n;
    return 1 - sum * std::exp(log_front);
  }
  // Lentz's method; 1e300 stands for the infinite first convergent.
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

double binomial_upper_tail(std::uint64_t n, double p, std::uint64_t k) {
  if (k == 0) return 1;
  const auto total = static_cast<double>(n);
  const double odds = p / (1 - p);
  const bool upper = static_cast<double>(k) > total * p;
  auto j = static_cast<double>(upper ? k : k - 1);
  double term = std::exp(log_binomial(j, total, p) - log_poisson(total, total));
  double sum = 0;
  while (term > sum * 1e-17) {
    sum += term;
    if (j == (upper ? total : 0)) break;
    term *= upper ? odds * (total - j) / (j + 1) : j / (odds * (total - j + 1));
    j += upper ? 1 : -1;
  }
  return upper ? sum : 1 - sum;
}

double chi_square_p_value(std::span<const double> observed, std::span<const double> expected) {
  check_size("expected", expected.size(), observed.size(), "one for each cell");
  double statistic = 0;
  double pooled_observed = 0;
  double pooled_expected = 0;
  int cells = 0;
  const auto add = [&](double seen, double mean) {
    statistic += (seen - mean) * (seen - mean) / mean;
    ++cells;
  };
  for (std::size_t i = 0; i < observed.size(); ++i) {
    if (expected[i] <= 0) {
      if (observed[i] > 0) return 0;
    } else if (expected[i] < 5) {
      pooled_observed += observed[i];
      pooled_expected += expected[i];
    } else {
      add(observed[i], expected[i]);
    }
  }
  if (pooled_expected > 0) add(pooled_observed, pooled_expected);
  return cells < 2 ? 1 : gamma_q((cells - 1) / 2.0, statistic / 2);
}

double ks_p_value(std::vector<double> sample, const std::function<double(double)>& cdf) {
  check_at_least("sample", sample.size(), 1, "values");
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = cdf(sample[i]);
    distance =
        std::max({distance, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  const double lambda = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  if (lambda < 0.2) return 1;  // to the last digit
  double sum = 0;
  for (int j = 1; j <= 100; ++j) {
    sum += (j % 2 == 1 ? 2 : -2) * std::exp(-2.0 * j * j * lambda * lambda);
  }
  return std::clamp(sum, 0.0, 1.0);
}

double z_score(std::span<const double> sample, double expected) {
  check_at_least("sample", sample.size(), 2, "values");
  const auto n = static_cast<double>(sample.size());
  const double mean = std::accumulate(sample.begin(), sample.end(), 0.0) / n;
  double variance = 0;
  for (const double x : sample) variance += (x - mean) * (x - mean);
  variance /= n - 1;
  return std::abs(mean - expected) / std::sqrt(variance / n);
}

}  // namespace partita
