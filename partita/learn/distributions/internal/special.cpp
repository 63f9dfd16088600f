// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/special.hpp"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <numbers>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// The sum of coefficient(k) u^k for k = 0 ... terms - 1.
template <class Coefficient>
Tensor power_series(const Tensor& u, int terms, const Coefficient& coefficient) {
  Tensor sum = at::full_like(u, coefficient(terms - 1));
  for (int k = terms - 2; k >= 0; --k) sum = sum * u + coefficient(k);
  return sum;
}

/// s x, and 0 where s is, even where x is infinite.
Tensor product(const Tensor& s, const Tensor& x) {
  return s * x.masked_fill((s == 0).logical_and(x.isinf()), 0);
}

}  // namespace

Tensor log1p_over(const Tensor& x, const Tensor& s) {
  const Tensor u = product(s, x);
  const Tensor near = u.abs() < 0.1;
  const Tensor by_series = x * power_series(u.masked_fill(near.logical_not(), 0), 18, [](int k) {
                             return (k % 2 == 0 ? 1.0 : -1.0) / (k + 1);
                           });
  // Where it is infinite it has no gradient.
  const Tensor at_end = u <= -1;
  const Tensor elsewhere = near.logical_or(at_end);
  const Tensor far_s = s.masked_fill(elsewhere, 1);
  const Tensor far_x = x.masked_fill(elsewhere, 1);
  const Tensor large = (far_s * far_x) > 1e20;  // and perhaps too large for its type
  const Tensor log_of_large =
      far_s.abs().log() + far_x.abs().masked_fill(large.logical_not(), 1).log();
  const Tensor log = at::where(
      large, log_of_large, at::log1p(far_s.masked_fill(large, 1) * far_x.masked_fill(large, 1)));
  return at::where(near, by_series, log / far_s)
      .masked_fill(at_end.logical_and(s > 0), -kInfinity)
      .masked_fill(at_end.logical_and(s < 0), kInfinity);
}

Tensor expm1_over(const Tensor& x, const Tensor& s) {
  const Tensor v = product(s, x);
  const Tensor near = v.abs() < 0.5;
  double factorial = 1;
  std::array<double, 16> coefficients{};
  for (std::size_t k = 0; k < coefficients.size(); ++k) {
    factorial *= static_cast<double>(k + 1);
    coefficients[k] = 1 / factorial;
  }
  const Tensor by_series =
      x * power_series(v.masked_fill(near.logical_not(), 0), static_cast<int>(coefficients.size()),
                       [&](int k) { return coefficients[static_cast<std::size_t>(k)]; });
  return at::where(near, by_series, at::expm1(v.masked_fill(near, 1)) / s.masked_fill(near, 1));
}

namespace {

/// log Gamma(1 + x) = -gamma x + the sum of zeta(k) (-x)^k / k for k = 2, 3, ... (DLMF 5.7.3).
constexpr double kNear = 0.2;
constexpr int kTerms = 25;  // 0.2^25 = 3e-18

double zeta_term(int k) { return (k % 2 == 0 ? 1.0 : -1.0) * std::riemann_zeta(k) / k; }

}  // namespace

Tensor lgamma1p_slope(const Tensor& x) {
  const Tensor near = x.abs() < kNear;
  const Tensor by_series = power_series(x.masked_fill(near.logical_not(), 0), kTerms, [](int k) {
    return k == 0 ? -std::numbers::egamma : zeta_term(k + 1);
  });
  const Tensor far = x.masked_fill(near, 1);
  return at::where(near, by_series, at::lgamma(1 + far) / far);
}

Tensor lgamma1p(const Tensor& x) { return x * lgamma1p_slope(x); }

Tensor lgamma1p_curvature(const Tensor& x) {
  const Tensor near = x.abs() < kNear / 2;
  const Tensor by_series = power_series(x.masked_fill(near.logical_not(), 0), 28, [](int k) {
    return zeta_term(k + 2) * (std::pow(2.0, k + 2) - 2);
  });
  const Tensor far = x.masked_fill(near, 1);
  return at::where(near, by_series, (lgamma1p(2 * far) - 2 * lgamma1p(far)) / far.square());
}

namespace {

/// log Gamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2) for x >= 16.
Tensor stirling_rest(const Tensor& x) {
  const Tensor r = x.reciprocal();
  const Tensor s = r.square();
  return r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188)))));
}

}  // namespace

Tensor log_rising(const Tensor& a, const Tensor& k) {
  const Tensor large = a >= 16;
  const Tensor small_a = a.masked_fill(large, 1);
  const Tensor large_a = a.masked_fill(large.logical_not(), 16);
  return at::where(large,
                   (large_a - 0.5) * at::log1p(k / large_a) + k * (large_a + k).log() - k +
                       stirling_rest(large_a + k) - stirling_rest(large_a),
                   at::lgamma(small_a + k) - at::lgamma(small_a));
}

Tensor log_gamma_half_step(const Tensor& z) {
  const Tensor large = z > 25;
  const Tensor small_z = z.masked_fill(large, 1);
  const Tensor r = z.masked_fill(large.logical_not(), 25).reciprocal();
  const Tensor s = r.square();
  return at::where(large, r * (-1.0 / 8 + s * (1.0 / 192 + s * (-1.0 / 640 + s * (17.0 / 14336)))),
                   at::lgamma(small_z + 0.5) - at::lgamma(small_z) - small_z.log() / 2);
}

Tensor is_largest(const Tensor& x) {
  return at::zeros_like(x).scatter_(-1, x.argmax(-1, true), 1).to(at::kBool);
}

Tensor sum_of_others(const Tensor& x) {
  const Tensor mask = is_largest(x);
  return at::where(mask, x.masked_fill(mask, 0).sum(-1, true), x.sum(-1, true) - x);
}

}  // namespace partita::distributions
