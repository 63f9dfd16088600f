// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/kumaraswamy.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// log(-log(1 - e^x)) for x < 0; x itself where e^x would underflow.
Tensor log_minus_log1mexp(const Tensor& x) {
  const Tensor far = x < -40;
  return at::where(far, x, (-log1mexp(x.masked_fill(far, -1))).log());
}

/// log E[X] = log Gamma(1 + t) - (log Gamma(1 + b + t) - log Gamma(1 + b)), t = 1 / a, of which the
/// difference cancels for large b.
Tensor log_mean(const Tensor& a, const Tensor& b) {
  const Tensor t = a.reciprocal();
  return (1 + t).lgamma() - log_gamma_divergence(1 + b, t) - t * at::digamma(1 + b);
}

}  // namespace

Kumaraswamy::Kumaraswamy(const TensorOrNumber& concentration1, const TensorOrNumber& concentration0,
                         bool validate_args)
    : Distribution("Kumaraswamy",
                   {{"concentration1", concentration1, constraints::positive()},
                    {"concentration0", concentration0, constraints::positive()}},
                   {}, validate_args) {}

Tensor Kumaraswamy::entropy() const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  const Tensor harmonic = at::digamma(b + 1) + std::numbers::egamma;
  return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log();
}

Tensor Kumaraswamy::mean() const {
  return log_mean(in_double(concentration1()), in_double(concentration0()))
      .exp()
      .to(concentration1().scalar_type());
}

Tensor Kumaraswamy::mode() const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  const Tensor undefined = (a < 1).logical_or(b < 1).logical_or((a == 1).logical_and(b == 1));
  return ((a - 1) / (a * b - 1))
      .pow(a.reciprocal())
      .masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
}

Tensor Kumaraswamy::variance() const {
  // E[X^2] - E[X]^2 as a product, since the two may be equal in all digits.
  const Tensor a = in_double(concentration1());
  const Tensor b = in_double(concentration0());
  const Tensor t = a.reciprocal();
  const Tensor log_ratio = log_gamma_second_difference(at::ones({}, t.options()), t) -
                           log_gamma_second_difference(1 + b, t);
  return ((2 * log_mean(a, b)).exp() * at::expm1(log_ratio)).to(concentration1().scalar_type());
}

Tensor Kumaraswamy::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // -log of a uniform probability to be larger is exponential, and has all its digits at both ends.
  const Tensor exponential = in_double(random.exponential(extended_shape(sample_shape), options()));
  const Tensor hazard = (exponential / in_double(concentration0()))
                            .clamp_min(smallest_normal(at::kDouble));  // of which there is a log
  return fraction_draw((log1mexp(-hazard) / in_double(concentration1())).exp(), options());
}

Tensor Kumaraswamy::do_log_prob(const Tensor& value) const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  // 0 log 0 = 0 at either end: there the density is that of a = 1 or b = 1.
  const Tensor log_rest = log1mexp(a * value.clamp_min(smallest_normal(value.scalar_type())).log());
  return a.log() + b.log() + times(a - 1, log_or_minus_infinity(value)) + times(b - 1, log_rest);
}

// P(X > x) = exp(-e^v), v = log(b) + log(-log(1 - x^a)), which is finite where x^a underflows.

Tensor Kumaraswamy::do_cdf(const Tensor& value) const {
  return at_ends(value, 0, 1, [&](const Tensor& v) { return one_minus_exp_of_minus_exp(v); });
}

Tensor Kumaraswamy::do_log_cdf(const Tensor& value) const {
  return at_ends(value, -kInfinity, 0, [&](const Tensor& v) { return log1mexp_of_exp(v); });
}

Tensor Kumaraswamy::do_log_survival(const Tensor& value) const {
  return at_ends(value, 0, -kInfinity, [&](const Tensor& v) { return minus_exp(v); });
}

Tensor Kumaraswamy::at_ends(const Tensor& value, double low, double high,
                            const std::function<Tensor(const Tensor&)>& inside) const {
  const Tensor zero = value == 0;
  const Tensor one = value == 1;
  const Tensor log_power = concentration1() * value.masked_fill(zero.logical_or(one), 0.5).log();
  return inside(concentration0().log() + log_minus_log1mexp(log_power))
      .masked_fill(zero, low)
      .masked_fill(one, high);
}

Tensor Kumaraswamy::do_icdf(const Tensor& probability) const {
  return (log1mexp(at::log1p(-probability) / concentration0()) / concentration1()).exp();
}

Tensor Kumaraswamy::do_isf(const Tensor& probability) const {
  return (log1mexp(probability.log() / concentration0()) / concentration1()).exp();
}

}  // namespace partita::distributions
