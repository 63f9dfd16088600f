// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/tails.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quadrature.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "partita/softmax/scalar.hpp"

namespace partita::distributions {

namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2 * kPi);

/// Where an integrand has fallen by e^-38 = 3e-17 the rest of it does not matter.
constexpr double kNegligible = 38;

/// Where a concave exponent that starts at 0 has fallen to -kNegligible. `fall` and `curvature` are
/// those of its expansion -fall u - curvature u^2 / 2; `exponent(u)` returns {value, slope}.
template <class Exponent>
double reach(double fall, double curvature, const Exponent& exponent) {
  double u = 2 * kNegligible / (fall + std::sqrt(fall * fall + 2 * kNegligible * curvature));
  for (int iteration = 0; iteration < 50; ++iteration) {
    const auto [value, slope] = exponent(u);
    const double step = (value + kNegligible) / slope;
    u -= step;
    if (std::abs(step) < 0.02 * u) break;
  }
  return u;
}

/// log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + stirling;  psi(a) = log a + digamma.
struct Corrections {
  double stirling;
  double digamma;
};

Corrections corrections(double a) {
  // DLMF 5.11.1 and 5.11.2, after climbing to where they converge.
  Corrections sum{0, 0};
  for (; a < 10; a += 1) {
    const double step = std::log1p(1 / a);
    sum.stirling += (a + 0.5) * step - 1;
    sum.digamma += step - 1 / a;
  }
  const double r = 1 / (a * a);
  sum.stirling +=
      (1.0 / 12 -
       r * (1.0 / 360 -
            r * (1.0 / 1260 - r * (1.0 / 1680 - r * (1.0 / 1188 - r * (691.0 / 360360)))))) /
      a;
  sum.digamma -=
      0.5 / a +
      r * (1.0 / 12 -
           r * (1.0 / 120 -
                r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132 - r * (691.0 / 32760))))));
  return sum;
}

/// e^x - 1 - x.
double expm1_minus(double x) {
  if (std::abs(x) > 0.5) return std::expm1(x) - x;
  double term = x * x / 2;
  double sum = term;
  for (double k = 3; std::abs(term) > 1e-17 * sum; ++k) sum += term *= x / k;
  return sum;
}

Tails at_end(double y) {
  return y < 0 ? Tails{-kInfinity, 0, -kInfinity, {0, 0}}
               : Tails{0, -kInfinity, -kInfinity, {0, 0}};
}

}  // namespace

Tails gamma_tails(double y, double a) {
  if (std::isnan(y) || std::isnan(a)) return {y + a, y + a, y + a, {y + a, 0}};
  const double x = std::exp(y);
  if (std::isinf(y) || std::isinf(x)) return at_end(y);
  const double d = y - std::log(a);
  const auto [stirling, digamma] = corrections(a);
  Tails tails{};
  tails.log_density = 0.5 * std::log(a) - kHalfLogTwoPi - stirling - a * expm1_minus(d);
  const double score = d - digamma;  // log x - E log X

  if (y <= 0) {
    // P = x^a / Gamma(a) S, with S the sum of (-x)^k / (k! (a + k)). The derivative's sum is
    // S / a - (sum of (-x)^k / (k! (a + k)^2)), whose large terms for small a, at k = 0, are equal.
    double power = 1;
    double sum = 1 / a;
    double slope = 0;
    for (double k = 1; std::abs(power) > 1e-17; ++k) {
      power *= -x / k;
      sum += power / (a + k);
      slope += power * k / (a * (a + k) * (a + k));
    }
    tails.log_lower = std::min(0.0, tails.log_density + x + std::log(sum));
    tails.log_upper = log1mexp(tails.log_lower);
    tails.shift[0] = -std::exp(x) * ((score - 1 / a) * sum + slope);
    return tails;
  }

  double total = 0;
  double moment = 0;
  const auto add = [&](double exponent, double u, double weight) {
    const double term = weight * std::exp(exponent);
    total += term;
    moment += term * u;
  };
  // a t - x (e^t - 1), whose terms cancel where a and x are large and close.
  const auto fall = [=](double t) {
    return a < 1e4 ? a * t - x * std::expm1(t) : (a - x) * t - x * expm1_minus(t);
  };
  if (score < 0) {
    const double length = reach(a - x, x, [=](double u) {
      return std::pair{fall(-u), -a + x - x * -std::expm1(-u)};
    });
    integrate(length, [&](double u, double w) { add(fall(-u), u, w); });
    tails.log_lower = std::min(0.0, tails.log_density + std::log(total));
    tails.log_upper = log1mexp(tails.log_lower);
  } else {
    const double length = reach(x - a, x, [=](double u) {
      return std::pair{fall(u), a - x - x * std::expm1(u)};
    });
    integrate(length, [&](double u, double w) { add(fall(u), u, w); });
    tails.log_upper = std::min(0.0, tails.log_density + std::log(total));
    tails.log_lower = log1mexp(tails.log_upper);
  }
  tails.shift[0] = moment + std::abs(score) * total;
  return tails;
}

namespace {

/// Where the power series in x of the incomplete beta function has no large terms.
bool is_near_zero(double x, double b) { return x <= 0.5 && b * x <= 1; }

/// Tails from the lower end: by its series, or for y up to the mean by quadrature.
Tails beta_lower(double y, double a, double b) {
  const double n = a + b;
  const double mean = a / n;
  const double log_x = -log1pexp(-y);
  const double log_z = -log1pexp(y);  // log(1 - x)
  const double log_mean = mean < 0.5 ? std::log(mean) : std::log1p(-b / n);
  const double log_rest = mean < 0.5 ? std::log1p(-mean) : std::log(b / n);
  // log(x / mean) and log((1 - x) / (1 - mean)); from the difference of the logits where they are
  // close.
  const double d = y - std::log(a / b);
  const bool close = std::abs(d) < 0.5;
  // Of the two, the one is taken that has no large terms.
  const double from_mean = std::log1p(mean * std::expm1(d));
  const double from_rest = std::log1p(b / n * std::expm1(-d));  // from_mean - d
  const bool is_low = mean < 0.5;
  const double over_mean = !close ? log_x - log_mean : is_low ? d - from_mean : -from_rest;
  const double over_rest = !close ? log_z - log_rest : is_low ? -from_mean : -d - from_rest;
  const Corrections of_a = corrections(a);
  const Corrections of_b = corrections(b);
  const Corrections of_n = corrections(n);
  Tails tails{};
  const double deviance = !close   ? a * over_mean + b * over_rest
                          : is_low ? a * d - n * from_mean
                                   : -b * d - n * from_rest;
  tails.log_density = deviance + 0.5 * (std::log(a) + log_rest) - kHalfLogTwoPi - of_a.stirling -
                      of_b.stirling + of_n.stirling;
  const double score_a = over_mean - of_a.digamma + of_n.digamma;
  const double score_b = over_rest - of_b.digamma + of_n.digamma;

  const double x = std::exp(log_x);
  if (is_near_zero(x, b)) {
    // I_x(a, b) = x^a / B(a, b) S, with S the sum of (1 - b)_k x^k / (k! (a + k)); for the
    // derivative by a see gamma_tails.
    double term = 1;
    double term_slope = 0;
    double sum = 1 / a;
    double slope_a = 0;
    double slope_b = 0;
    for (double k = 1; k < 100; ++k) {
      term_slope = (term_slope * (k - b) - term) * x / k;
      term *= (k - b) * x / k;
      sum += term / (a + k);
      slope_a += term * k / (a * (a + k) * (a + k));
      slope_b += term_slope / (a + k);
      if (std::abs(term) + std::abs(term_slope) < 1e-17) break;
    }
    const double front = std::exp(-b * log_z);
    tails.log_lower = std::min(0.0, tails.log_density - b * log_z + std::log(sum));
    tails.shift[0] = -front * ((score_a - 1 / a) * sum + slope_a);
    tails.shift[1] = -front * ((of_n.digamma - of_b.digamma - log_rest) * sum + slope_b);
  } else {
    // -a u - n log(1 - x + x e^-u) = b u - n log(x + z e^u), and the slope of either by u. Where x
    // is near 1, a and n may be large and their terms close.
    const double z = std::exp(log_z);
    const bool is_small = x <= 0.5;
    const auto log_of = [=](double u) {
      return std::log1p(is_small ? x * std::expm1(-u) : z * std::expm1(u));
    };
    const auto fall = [=](double u, double log_u) {
      return is_small ? -a * u - n * log_u : b * u - n * log_u;
    };
    const double length = reach(is_small ? a - n * x : n * z - b, n * x * z, [=](double u) {
      const double log_u = log_of(u);
      return std::pair{fall(u, log_u), is_small ? -a + n * x * std::exp(-u - log_u)
                                                : b - n * z * std::exp(u - log_u)};
    });
    double total = 0;
    double moment = 0;
    double moment_a = 0;
    integrate(length, [&](double u, double w) {
      const double log_u = log_of(u);
      const double each = w * std::exp(fall(u, log_u));
      total += each;
      moment += each * (is_small ? log_u : log_u - u);
      moment_a += each * (is_small ? u + log_u : log_u);
    });
    tails.log_lower = std::min(0.0, tails.log_density + std::log(total));
    tails.shift[0] = moment_a - score_a * total;
    tails.shift[1] = moment - score_b * total;
  }
  tails.log_upper = log1mexp(tails.log_lower);
  return tails;
}

}  // namespace

Tails beta_tails(double y, double a, double b) {
  const double nan = y + a + b;
  if (std::isnan(nan)) return {nan, nan, nan, {nan, nan}};
  if (std::isinf(y)) return at_end(y);
  // Away from both series a and b are large enough (the nearer one over 1, at least) that the
  // integrand has fallen before its distance from the poles of the logistic function matters.
  if (is_near_zero(sigmoid(y), b) || (!is_near_zero(sigmoid(-y), a) && y <= std::log(a / b))) {
    return beta_lower(y, a, b);
  }
  // X of Beta(a, b) and 1 - X of Beta(b, a).
  const Tails mirrored = beta_lower(-y, b, a);
  return {mirrored.log_upper,
          mirrored.log_lower,
          mirrored.log_density,
          {-mirrored.shift[1], -mirrored.shift[0]}};
}

Tails von_mises_tails(double y, double concentration) {
  const double k = concentration;
  const double nan = y + k;
  if (std::isnan(nan)) return {nan, nan, nan, {nan, 0}};
  const double angle = std::min(std::abs(y), kPi);
  // 1 - cos, without cancellation.
  const auto versine = [](double t) { return 2 * std::pow(std::sin(t / 2), 2); };
  // From `from` to pi the density, relative to that at `from`, and its mean versine. It has fallen
  // by e^-38 where the versine has grown by 38 / k.
  const auto integral = [&](double from) {
    const double base = versine(from);
    const double end = 2 * std::asin(std::sqrt(std::min(1.0, (base + kNegligible / k) / 2)));
    std::pair<double, double> sums{0, 0};
    integrate(end - from, [&](double u, double w) {
      const double each = w * std::exp(-2 * k * std::sin(u / 2) * std::sin(from + u / 2));
      sums.first += each;
      sums.second += each * versine(from + u);
    });
    return sums;
  };
  const auto [half, half_moment] = integral(0);
  const double expected = half_moment / half;
  const double base = versine(angle);
  Tails tails{};
  tails.log_density = -k * base - std::log(2 * half);
  const auto [rest, rest_moment] = integral(angle);
  const double log_tail = std::min(-std::numbers::ln2, tails.log_density + std::log(rest));
  // The score is E versine - versine. Its integral from 0 to pi is 0; of the two parts around the
  // angle the one where it has one sign is taken.
  double moment = rest_moment - expected * rest;
  if (base < expected) {
    moment = 0;
    integrate(angle, [&](double u, double w) {
      moment += w * std::exp(k * (base - versine(u))) * (expected - versine(u));
    });
  }
  tails.shift[0] = y > 0 ? -moment : moment;
  tails.log_lower = y > 0 ? log1mexp(log_tail) : log_tail;
  tails.log_upper = y > 0 ? log_tail : log1mexp(log_tail);
  return tails;
}

}  // namespace partita::distributions
