#include "partita/learn/distributions/kumaraswamy.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// log E[X^n] = log(b B(1 + n / a, b)).
Tensor log_moment(const Tensor& a, const Tensor& b, double n) {
  const Tensor c = 1 + n / a;
  return c.lgamma() + (1 + b).lgamma() - (c + b).lgamma();
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

Tensor Kumaraswamy::mean() const { return log_moment(concentration1(), concentration0(), 1).exp(); }

Tensor Kumaraswamy::mode() const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  const Tensor undefined = (a < 1).logical_or(b < 1).logical_or((a == 1).logical_and(b == 1));
  return ((a - 1) / (a * b - 1))
      .pow(a.reciprocal())
      .masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
}

Tensor Kumaraswamy::variance() const {
  return log_moment(concentration1(), concentration0(), 2).exp() - mean().square();
}

Tensor Kumaraswamy::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // -log of a uniform probability to be larger is exponential, and has all its digits at both ends.
  const Tensor exponential = random.exponential(extended_shape(sample_shape), options());
  return (log1mexp(-exponential / concentration0()) / concentration1()).exp();
}

Tensor Kumaraswamy::do_log_prob(const Tensor& value) const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  // 0 log 0 = 0 at either end: there the density is that of a = 1 or b = 1.
  const Tensor log_rest = log1mexp(a * value.clamp_min(smallest_normal(value.scalar_type())).log());
  const Tensor flat = (b == 1).logical_and(value == 1);
  return a.log() + b.log() + at::xlogy(a - 1, value) + (b - 1) * log_rest.masked_fill(flat, 0);
}

Tensor Kumaraswamy::do_cdf(const Tensor& value) const { return -at::expm1(do_log_survival(value)); }

Tensor Kumaraswamy::do_log_cdf(const Tensor& value) const {
  // 1 - e^-w, w = -b log(1 - x^a), by log w, which is finite where x^a underflows.
  const Tensor log_power = concentration1() * value.log();
  const Tensor far = log_power < -40;
  return log1mexp_of_exp(
      concentration0().log() +
      at::where(far, log_power, (-log1mexp(log_power.masked_fill(far, -1))).log()));
}

Tensor Kumaraswamy::do_log_survival(const Tensor& value) const {
  return concentration0() * log1mexp(concentration1() * value.log());
}

Tensor Kumaraswamy::do_icdf(const Tensor& probability) const {
  return (log1mexp(at::log1p(-probability) / concentration0()) / concentration1()).exp();
}

Tensor Kumaraswamy::do_isf(const Tensor& probability) const {
  return (log1mexp(probability.log() / concentration0()) / concentration1()).exp();
}

}  // namespace partita::distributions
