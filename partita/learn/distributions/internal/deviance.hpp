// SPDX-License-Identifier: Apache-2.0
// Small differences of large numbers: log-probabilities whose log-gamma functions cancel, and
// divergences of distributions that are close. Internal.
//
// log Gamma is taken apart into its leading terms and the rest,
//   log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + stirling(a),
// and what the leading terms of several leave is put together by hand, as deviances
//   x gap(m / x - 1) = x log(x / m) - x + m >= 0,
// which do not cancel (Loader 2000, "Fast and accurate computation of binomial probabilities").
// All arguments are in double precision and all results differentiable any number of times.
#pragma once

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// r - 1 - log(r) >= 0 from r - 1 and log(r), without the cancellation near r = 1.
Tensor gap(const Tensor& r_minus_1, const Tensor& log_r);
/// The same for r = a / b, where a, b > 0.
Tensor ratio_gap(const Tensor& a, const Tensor& b);

/// log Gamma(a) less its leading terms, for a > 0; about 1 / (12 a) (DLMF 5.11.1).
Tensor stirling(const Tensor& a);
/// digamma(a) - log(a), about -1 / (2 a).
Tensor digamma_less_log(const Tensor& a);

/// log(y^a e^-y / Gamma(a + 1)), a > 0: the probability of a whole a where y are expected.
Tensor log_poisson_term(const Tensor& a, const Tensor& y, const Tensor& log_y);

/// log(Gamma(a + b + 1) / (Gamma(a + 1) Gamma(b + 1)) x^a (1 - x)^b), a, b > 0: the probability of
/// a successes and b failures.
/// @param log_rest log(1 - x)
Tensor log_binomial_term(const Tensor& a, const Tensor& b, const Tensor& x, const Tensor& log_x,
                         const Tensor& log_rest);

/// The same over the last dimension: log(Gamma(n + 1) prod_i x_i^a_i / Gamma(a_i + 1)), n = sum_i
/// a_i. Where a_i = 0, x_i does not count.
Tensor log_multinomial_term(const Tensor& a, const Tensor& x, const Tensor& log_x);

/// f(p + d) - f(p) - d f'(p) >= 0 of a convex f, its Bregman divergence: where `near`, by the
/// integral of d^2 (1 - s) f''(p + s d) over s in [0, 1], whose terms do not cancel. There f must
/// be analytic within twice |d| or so.
Tensor bregman(const Tensor& p, const Tensor& d, const Tensor& near, Elementwise f,
               Elementwise slope, Elementwise curvature);

/// The Bregman divergence of log Gamma.
Tensor log_gamma_divergence(const Tensor& p, const Tensor& d);
/// What it has beyond (p + d) gap(p / (p + d)) + gap((p + d) / p) / 2: that of stirling().
Tensor stirling_divergence(const Tensor& p, const Tensor& d);

/// log Gamma(1 + 2 t) - 2 log Gamma(1 + t) + log Gamma(1), with a `start` in place of 1.
Tensor log_gamma_second_difference(const Tensor& start, const Tensor& t);

/// 1 - A(k), A = I1 / I0: the mean of 1 - cos X of a von Mises X.
Tensor expected_versine(const Tensor& k);
/// A'(k) = 1 - A / k - A^2, the variance of cos X.
Tensor bessel_ratio_slope(const Tensor& k);

}  // namespace partita::distributions
