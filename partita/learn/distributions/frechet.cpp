// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/frechet.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

Frechet::Frechet(const TensorOrNumber& scale, const TensorOrNumber& concentration,
                 bool validate_args)
    : Distribution("Frechet",
                   {{"scale", scale, constraints::positive()},
                    {"concentration", concentration, constraints::positive()}},
                   {}, validate_args) {}

Tensor Frechet::entropy() const {
  return 1 + std::numbers::egamma * (1 + concentration().reciprocal()) +
         (scale() / concentration()).log();
}

Tensor Frechet::mean() const {
  const Tensor infinite = concentration() <= 1;
  const Tensor c = concentration().masked_fill(infinite, 2).reciprocal();
  return (scale() * lgamma1p(-c).exp()).masked_fill(infinite, kInfinity);
}

Tensor Frechet::mode() const {
  const Tensor c = concentration().reciprocal();
  return scale() * (-c * at::log1p(c)).exp();
}

Tensor Frechet::variance() const {
  const Tensor infinite = concentration() <= 2;
  const Tensor c = concentration().masked_fill(infinite, 3).reciprocal();
  return (scale().square() * (2 * lgamma1p(-c)).exp() *
          at::expm1(lgamma1p_curvature(-c) * c.square()))
      .masked_fill(infinite, kInfinity);
}

Tensor Frechet::log_exponential(const Tensor& value) const {
  // At the ends it is infinite, and has no gradient.
  const Tensor zero = value == 0;
  const Tensor infinite = value == kInfinity;
  return (-concentration() *
          (value.masked_fill(zero.logical_or(infinite), 1).log() - scale().log()))
      .masked_fill(zero, kInfinity)
      .masked_fill(infinite, -kInfinity);
}

Tensor Frechet::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor gumbel = random.gumbel(extended_shape(sample_shape), options());
  return exp_draw(scale().log() + gumbel / concentration(), options());
}

Tensor Frechet::do_log_prob(const Tensor& value) const {
  // Infinite at both ends, where the sum of its terms would be NaN.
  const Tensor end = (value == 0).logical_or(value == kInfinity);
  const Tensor v = log_exponential(value.masked_fill(end, 1)).clamp_max(1e4);
  return ((concentration() / scale()).log() + v * (1 + concentration().reciprocal()) + minus_exp(v))
      .masked_fill(end, -kInfinity);
}

Tensor Frechet::do_cdf(const Tensor& value) const {
  return exp_of_minus_exp(log_exponential(value));
}

Tensor Frechet::do_log_cdf(const Tensor& value) const { return minus_exp(log_exponential(value)); }

Tensor Frechet::do_log_survival(const Tensor& value) const {
  return log1mexp_of_exp(log_exponential(value));
}

Tensor Frechet::do_icdf(const Tensor& probability) const {
  return scale() * probability.log().abs().pow(-concentration().reciprocal());
}

Tensor Frechet::do_isf(const Tensor& probability) const {
  return scale() * at::log1p(-probability).abs().pow(-concentration().reciprocal());
}

}  // namespace partita::distributions
