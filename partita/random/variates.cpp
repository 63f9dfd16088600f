#include "partita/random/variates.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Means from which rejection is used.
constexpr double kManyEvents = 10;

/// log k! - log(sqrt(2 pi k) (k / e)^k), for whole k >= 1 (Loader 2000, "Fast and accurate
/// computation of binomial probabilities").
double stirling_error(double k) {
  constexpr std::array<double, 10> kLogFactorial = {0,
                                                    0,
                                                    0.693147180559945309,
                                                    1.79175946922805500,
                                                    3.17805383034794562,
                                                    4.78749174278204599,
                                                    6.57925121201010100,
                                                    8.52516136106541430,
                                                    10.6046029027452502,
                                                    12.8018274800814696};
  if (k < static_cast<double>(kLogFactorial.size())) {
    return kLogFactorial[static_cast<std::size_t>(k)] - (k + 0.5) * std::log(k) + k -
           0.5 * std::log(2 * std::numbers::pi);
  }
  const double square = 1 / (k * k);
  return (1.0 / 12 -
          (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - square / 1188) * square) * square) * square) /
         k;
}

/// k log(k / mean) + mean - k, with an absolute error of a few ulp of |k - mean| (Loader 2000).
double deviance(double k, double mean) {
  const double difference = k - mean;
  return k == 0 ? mean : k * std::log1p(difference / mean) - difference;
}

/// log of the Poisson probability of k.
double log_poisson(double k, double rate) {
  if (k == 0) return -rate;
  return -stirling_error(k) - deviance(k, rate) - 0.5 * std::log(2 * std::numbers::pi * k);
}

/// log of the binomial probability of k among n trials, less what does not depend on k.
double log_binomial(double k, double n, double p) {
  const auto part = [](double count, double mean) {
    return count == 0 ? -mean
                      : -stirling_error(count) - deviance(count, mean) -
                            0.5 * std::log(2 * std::numbers::pi * count);
  };
  return part(k, n * p) + part(n - k, n * (1 - p));
}

/// A point of Hörmann's transformed rejection: the candidate k = floor((2 a / s + b) u + center)
/// with u uniform on (-1/2, 1/2), s = 1/2 - |u|, and a uniform v for its acceptance.
struct Candidate {
  Candidate(Draws& draws, double a, double b, double center)
      : v(draws.uniform()), u(draws.uniform() - 0.5), s(0.5 - std::abs(u)) {
    k = std::floor((2 * a / s + b) * u + center);
    slope = a / (s * s) + b;
  }
  double v;
  double u;
  double s;
  double k;
  double slope;  // of k in u
};

/// p <= 1/2.
double binomial_of_small_probability(Draws& draws, double n, double p) {
  if (n * p < kManyEvents) {
    // With i trials decided, the next success of n - i exponential clocks is Exponential / (n - i)
    // away; p is the chance that a clock rings before -log(1 - p).
    const double end = -std::log1p(-p);
    double time = 0;
    double count = 0;
    while (count < n && (time += draws.exponential() / (n - count)) < end) ++count;
    return count;
  }
  const double deviation = std::sqrt(n * p * (1 - p));
  const double b = 1.15 + 2.53 * deviation;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double v_r = 0.92 - 4.2 / b;
  const double alpha = (2.83 + 5.1 / b) * deviation;
  while (true) {
    const Candidate it(draws, a, b, n * p + 0.5);
    if (it.s >= 0.07 && it.v <= v_r) return it.k;
    if (it.k < 0 || it.k > n) continue;
    const double mode = std::floor((n + 1) * p);
    if (std::log(it.v * alpha / it.slope) <= log_binomial(it.k, n, p) - log_binomial(mode, n, p)) {
      return it.k;
    }
  }
}

}  // namespace

double log_gamma_variate(Draws& draws, double concentration) {
  if (!(concentration >= 0)) return kNaN;
  if (concentration == kInfinity) return kInfinity;
  double boost = 0;
  if (concentration < 1) {  // Gamma(a) = Gamma(a + 1) U^(1/a)
    boost = -draws.exponential() / concentration;
    concentration += 1;
  }
  const double d = concentration - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = draws.normal();
    const double v = 1 + c * x;
    if (v <= 0) continue;
    const double cube = v * v * v;
    const double square = x * x;
    const double u = draws.uniform();
    // Their squeeze spares most draws the logarithms.
    if (u < 1 - 0.0331 * square * square ||
        std::log(u) < 0.5 * square + d * (1 - cube + std::log(cube))) {
      return std::log(d * cube) + boost;
    }
  }
}

double poisson_variate(Draws& draws, double rate) {
  if (!(rate >= 0)) return kNaN;
  if (rate == kInfinity) return kInfinity;
  if (rate < kManyEvents) {
    double count = 0;
    for (double time = draws.exponential(); time < rate; time += draws.exponential()) ++count;
    return count;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double v_r = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const Candidate it(draws, a, b, rate + 0.43);
    if (it.s >= 0.07 && it.v <= v_r) return it.k;
    if (it.k < 0 || (it.s < 0.013 && it.v > it.s)) continue;
    if (std::log(it.v * inverse_alpha / it.slope) <= log_poisson(it.k, rate)) return it.k;
  }
}

double binomial_variate(Draws& draws, double total_count, double probs) {
  if (!(total_count >= 0 && total_count < kInfinity && probs >= 0 && probs <= 1)) return kNaN;
  return probs <= 0.5 ? binomial_of_small_probability(draws, total_count, probs)
                      : total_count - binomial_of_small_probability(draws, total_count, 1 - probs);
}

double von_mises_variate(Draws& draws, double concentration) {
  if (!(concentration >= 0)) return kNaN;
  if (concentration == kInfinity) return 0;
  // Best and Fisher propose from a wrapped Cauchy: 2 atan(s t), t a standard Cauchy. With their
  // r = (1 + root) / (2 concentration), s^2 = (r - 1) / (r + 1), and the ratio of the densities is
  // c exp(-c) with c = concentration * (r - cos). In the following forms nothing cancels and
  // nothing overflows, whether the concentration is 0 or 1e300.
  const double root = std::hypot(1, 2 * concentration);
  const double near = 0.5 + 0.5 / (root + 2 * concentration);  // concentration * (r - 1)
  const double s = std::sqrt(2 * near / (1 + root + 2 * concentration));
  while (true) {
    const double y = s * std::tan(std::numbers::pi * (draws.uniform() - 0.5));
    const double c =
        near + 2 * concentration * (y * y / (1 + y * y));  // 1 - cos = 2y^2 / (1 + y^2)
    if (-draws.exponential() <= std::log(c) + 1 - c) return 2 * std::atan(y);
  }
}

}  // namespace partita
