// SPDX-License-Identifier: Apache-2.0
#include "partita/random/variates.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <optional>

#include "partita/random/fill.hpp"
#include "partita/random/internal/fill_kernels.hpp"
#include "partita/random/internal/saddle_point.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Means from which rejection is used.
constexpr double kManyEvents = 10;

/// A point of Hörmann's transformed rejection: the candidate k = floor((2 a / s + b) u + center)
/// with u uniform on (-1/2, 1/2), s = 1/2 - |u|, and a uniform v for its acceptance.
struct Candidate {
  Candidate(double v_, double uniform, double a, double b, double center)
      : v(v_),
        u(uniform - 0.5),
        s(0.5 - std::abs(u)),
        k(std::floor((2 * a / s + b) * u + center)) {}
  double v;
  double u;
  double s;
  double k;
};

/// d k / d u.
double slope(const Candidate& it, double a, double b) { return a / (it.s * it.s) + b; }

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
    const double v = draws.uniform();
    const Candidate it(v, draws.uniform(), a, b, n * p + 0.5);
    if (it.s >= 0.07 && it.v <= v_r) return it.k;
    if (it.k < 0 || it.k > n) continue;
    const double mode = std::floor((n + 1) * p);
    if (std::log(it.v * alpha / slope(it, a, b)) <=
        log_binomial(it.k, n, p) - log_binomial(mode, n, p)) {
      return it.k;
    }
  }
}

/// The logarithm of Marsaglia and Tsang's draw from a normal x and a uniform u; NaN if it is
/// rejected. concentration >= 1.
double attempt_log_gamma(double concentration, double x, double u) {
  const double d = concentration - 1.0 / 3;
  const double v = 1 + x / std::sqrt(9 * d);
  if (!(v > 0)) return kNaN;
  const double cube = v * v * v;
  const double square = x * x;
  // Their squeeze spares most draws a logarithm, and those of concentrations past 1e10 a difference
  // that has no digits left.
  const bool accepts = u < 1 - kernels::kGammaSqueeze * square * square ||
                       std::log(u) < 0.5 * square + d * (1 - cube + std::log(cube));
  return accepts ? std::log(d * cube) : kNaN;
}

/// A Poisson draw from uniforms, the second only from kManyEvents on, where they may be
/// rejected.
std::optional<double> attempt_poisson(double rate, double v, double u) {
  if (!(rate >= 0)) return kNaN;
  if (rate == kInfinity) return kInfinity;
  if (rate < kManyEvents) {
    double count = 0;
    double probability = std::exp(-rate);
    for (double sum = probability; v > sum; ++count) {
      probability *= rate / (count + 1);
      if (sum + probability == sum) break;  // v is between the sum of all and 1
      sum += probability;
    }
    return count;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const Candidate it(v, u, a, b, rate + 0.43);
  if (it.s >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return it.k;
  if (it.k < 0 || (it.s < 0.013 && v > it.s)) return std::nullopt;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const bool accepts = std::log(v * inverse_alpha / slope(it, a, b)) <= log_poisson(it.k, rate);
  return accepts ? std::optional(it.k) : std::nullopt;
}

// For fill_log_gamma and fill_poisson: elements at a time, and the most that a redrawn one reads.
constexpr std::size_t kBlock = 256;
static_assert(kBlock % kernels::kWordStep == 0);
constexpr std::uint64_t kRedrawn = 1U << 16U;

/// What fill_log_gamma and fill_poisson read beside the stream itself, which holds each element's
/// first draw: its others, and all of an element that is drawn again.
enum Part : std::uint64_t { kSecond, kThird, kRejected };

}  // namespace

double log_gamma_variate(Draws& draws, double concentration) {
  if (!(concentration >= 0)) return kNaN;
  if (concentration == kInfinity) return kInfinity;
  double boost = 0;
  if (concentration < 1) {  // Gamma(a) = Gamma(a + 1) U^(1/a)
    boost = -draws.exponential() / concentration;
    concentration += 1;
  }
  while (true) {
    const double x = draws.normal();
    const double log_draw = attempt_log_gamma(concentration, x, draws.uniform());
    if (!std::isnan(log_draw)) return log_draw + boost;
  }
}

void fill_log_gamma(const Stream& stream, std::uint64_t position,
                    std::span<const double> concentration, std::span<double> out) {
  const Stream seconds = stream.child(kSecond);
  const Stream thirds = stream.child(kThird);
  std::array<double, kBlock> a;
  std::array<double, kBlock> normals;
  std::array<double, kBlock> uniforms;
  std::array<double, kBlock> exponentials;
  std::array<double, kBlock> log_draws;
  a.fill(1);
  normals.fill(0);
  uniforms.fill(0);
  for (std::size_t done = 0; done < out.size(); done += kBlock) {
    const std::size_t n = std::min(kBlock, out.size() - done);
    const std::uint64_t first = position + done;
    std::copy_n(&concentration[done], n, a.data());
    fill_normal(stream, first, std::span(normals).first(n));
    fill_uniform(seconds, first, std::span(uniforms).first(n));
    if (std::any_of(a.data(), a.data() + n, [](double c) { return c < 1; })) {
      fill_exponential(thirds, first, std::span(exponentials).first(n));
    }
    const std::size_t steps = (n + kernels::kWordStep - 1) / kernels::kWordStep;
    kernels::log_gamma_from_draws(a.data(), normals.data(), uniforms.data(),
                                  steps * kernels::kWordStep, log_draws.data());
    for (std::size_t i = 0; i < n; ++i) {
      const bool is_small = a[i] < 1;
      double log_draw = log_draws[i];
      if (std::isnan(log_draw) && a[i] >= 0) {
        log_draw = attempt_log_gamma(is_small ? a[i] + 1 : a[i], normals[i], uniforms[i]);
      }
      if (std::isnan(log_draw)) {
        Draws draws(stream.child(kRejected), (first + i) * kRedrawn);
        out[done + i] = log_gamma_variate(draws, a[i]);
      } else {
        out[done + i] = is_small ? log_draw - exponentials[i] / a[i] : log_draw;
      }
    }
  }
}

double poisson_variate(Draws& draws, double rate) {
  while (true) {
    const double v = draws.uniform();
    if (const auto count = attempt_poisson(rate, v, draws.uniform())) return *count;
  }
}

void fill_poisson(const Stream& stream, std::uint64_t position, std::span<const double> rate,
                  std::span<double> out) {
  std::array<double, kBlock> first_uniforms;
  std::array<double, kBlock> second_uniforms{};
  for (std::size_t done = 0; done < out.size(); done += kBlock) {
    const std::size_t n = std::min(kBlock, out.size() - done);
    const std::uint64_t first = position + done;
    const auto rates = rate.subspan(done, n);
    fill_uniform(stream, first, std::span(first_uniforms).first(n));
    if (std::any_of(rates.begin(), rates.end(), [](double r) { return r >= kManyEvents; })) {
      fill_uniform(stream.child(kSecond), first, std::span(second_uniforms).first(n));
    }
    for (std::size_t i = 0; i < n; ++i) {
      const auto count = attempt_poisson(rates[i], first_uniforms[i], second_uniforms[i]);
      if (count) {
        out[done + i] = *count;
      } else {
        Draws draws(stream.child(kRejected), (first + i) * kRedrawn);
        out[done + i] = poisson_variate(draws, rates[i]);
      }
    }
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
