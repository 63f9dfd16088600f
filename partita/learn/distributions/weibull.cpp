// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/weibull.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Weibull::Weibull(const TensorOrNumber& scale, const TensorOrNumber& concentration,
                 bool validate_args)
    : Distribution("Weibull",
                   {{"scale", scale, constraints::positive()},
                    {"concentration", concentration, constraints::positive()}},
                   {}, validate_args) {}

Tensor Weibull::entropy() const {
  return std::numbers::egamma * (1 - concentration().reciprocal()) + scale().log() -
         concentration().log() + 1;
}

Tensor Weibull::mean() const { return scale() * (1 + concentration().reciprocal()).lgamma().exp(); }

Tensor Weibull::mode() const {
  const Tensor& k = concentration();
  const Tensor falls = k <= 1;
  return scale() *
         (1 - k.masked_fill(falls, 2).reciprocal()).pow(k.reciprocal()).masked_fill(falls, 0);
}

Tensor Weibull::variance() const {
  // Gamma(1 + 2/k) - Gamma(1 + 1/k)^2, as a product: both overflow for small k, and are equal for
  // large ones.
  const Tensor inverse = in_double(concentration()).reciprocal();
  const Tensor one = at::ones({}, inverse.options());
  const Tensor small = inverse < 0.25;
  const Tensor log_ratio =
      at::where(small, log_gamma_second_difference(one, inverse.clamp_max(0.25)),
                (1 + 2 * inverse).lgamma() - 2 * (1 + inverse).lgamma());
  return (in_double(scale()).square() * (2 * (1 + inverse).lgamma()).exp() * at::expm1(log_ratio))
      .to(scale().scalar_type());
}

Tensor Weibull::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  constexpr double kLargestLog = 709;  // e^x of it is finite
  const Tensor exponential = in_double(random.exponential(extended_shape(sample_shape), options()));
  const Tensor log_ratio =
      (exponential.log() / in_double(concentration())).clamp(-kLargestLog, kLargestLog);
  return positive_draw(in_double(scale()) * log_ratio.exp(), options());
}

Tensor Weibull::do_log_prob(const Tensor& value) const {
  const Tensor z = value / scale();
  const at::ScalarType type = z.scalar_type();
  const Tensor log_front = concentration().log() - scale().log();
  const Tensor hazard = z.pow(concentration());
  if (all_within(z, smallest_normal(type), largest_number(type)) && all_finite(hazard)) {
    return log_front + (concentration() - 1) * z.log() - hazard;
  }
  // z or its power underflows, overflows or is 0.
  const Tensor x = in_double(value);
  const Tensor k = in_double(concentration());
  const Tensor log_scale = in_double(scale()).log();
  const Tensor zero = x == 0;
  const Tensor power = exp_of(k * (x.masked_fill(zero, 1).log() - log_scale)).masked_fill(zero, 0);
  return (log_front + times(k - 1, log_or_minus_infinity(x) - log_scale) - power)
      .masked_fill(x == kInfinity, -kInfinity)
      .to(at::result_type(value, scale()));
}

Tensor Weibull::log_hazard(const Tensor& value) const {
  return concentration() * (value.masked_fill(value == 0, 1).log() - scale().log());
}

Tensor Weibull::do_cdf(const Tensor& value) const {
  return one_minus_exp_of_minus_exp(log_hazard(value)).masked_fill(value == 0, 0);
}

Tensor Weibull::do_log_cdf(const Tensor& value) const {
  return log1mexp_of_exp(log_hazard(value)).masked_fill(value == 0, -kInfinity);
}

Tensor Weibull::do_log_survival(const Tensor& value) const {
  return minus_exp(log_hazard(value)).masked_fill(value == 0, 0);
}

Tensor Weibull::do_icdf(const Tensor& probability) const {
  return scale() * (-at::log1p(-probability)).pow(concentration().reciprocal());
}

Tensor Weibull::do_isf(const Tensor& probability) const {
  return scale() * (-probability.log()).pow(concentration().reciprocal());
}

}  // namespace partita::distributions
