// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/generalized_extreme_value.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/extreme.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

GeneralizedExtremeValue::GeneralizedExtremeValue(const TensorOrNumber& loc,
                                                 const TensorOrNumber& scale,
                                                 const TensorOrNumber& concentration,
                                                 bool validate_args)
    : Distribution("GeneralizedExtremeValue",
                   {{"loc", loc, constraints::real()},
                    {"scale", scale, constraints::positive()},
                    {"concentration", concentration, constraints::real()}},
                   {}, validate_args) {}

Tensor GeneralizedExtremeValue::end(bool upper) const {
  const Tensor& c = concentration();
  const Tensor open = upper ? c >= 0 : c <= 0;
  return (loc() - scale() / c.masked_fill(open, 1))
      .masked_fill(open, upper ? kInfinity : -kInfinity);
}

Constraint GeneralizedExtremeValue::support() const {
  return constraints::interval(end(false), end(true), "1 + concentration (x - loc) / scale >= 0");
}

Tensor GeneralizedExtremeValue::entropy() const {
  return scale().log() + std::numbers::egamma * (1 + concentration()) + 1;
}

Tensor GeneralizedExtremeValue::mean() const {
  // (Gamma(1 - c) - 1) / c
  const Tensor infinite = concentration() >= 1;
  const Tensor c = concentration().masked_fill(infinite, 0.5);
  return (loc() + scale() * expm1_over(-lgamma1p_slope(-c), c)).masked_fill(infinite, kInfinity);
}

Tensor GeneralizedExtremeValue::mode() const {
  const Tensor rises = concentration() <= -1;
  const Tensor c = concentration().masked_fill(rises, 0);
  return at::where(rises, end(true), loc() + scale() * expm1_over(-at::log1p(c), c));
}

Tensor GeneralizedExtremeValue::variance() const {
  // (Gamma(1 - 2 c) - Gamma(1 - c)^2) / c^2 as a product
  const Tensor infinite = concentration() >= 0.5;
  const Tensor c = concentration().masked_fill(infinite, 0);
  return (scale().square() * (2 * lgamma1p(-c)).exp() *
          expm1_over(lgamma1p_curvature(-c), c.square()))
      .masked_fill(infinite, kInfinity);
}

Tensor GeneralizedExtremeValue::from_gumbel(const Tensor& gumbel) const {
  const Tensor x = loc() + scale() * expm1_over(gumbel, concentration());
  return at::minimum(at::maximum(x, end(false)), end(true));
}

Tensor GeneralizedExtremeValue::gumbel_of(const Tensor& value) const {
  const Tensor z = (value - loc()) / scale();
  return log1p_over(below_end(z, concentration(), 0), concentration());
}

Tensor GeneralizedExtremeValue::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor gumbel = random.gumbel(extended_shape(sample_shape), options());
  return finite_draw(from_gumbel(without_overflow(gumbel, scale(), concentration())), options());
}

Tensor GeneralizedExtremeValue::do_log_prob(const Tensor& value) const {
  const Tensor& c = concentration();
  const Tensor z = (value - loc()) / scale();
  // e^-g is infinite in every type below -1e4; at -inf, the sum would be NaN.
  const Tensor g = log1p_over(below_end(z, c, 2 * epsilon(value.scalar_type())), c).clamp_min(-1e4);
  return -scale().log() - (1 + c) * g + minus_exp(-g);
}

Tensor GeneralizedExtremeValue::do_cdf(const Tensor& value) const {
  return exp_of_minus_exp(-gumbel_of(value));
}

Tensor GeneralizedExtremeValue::do_log_cdf(const Tensor& value) const {
  return minus_exp(-gumbel_of(value));
}

Tensor GeneralizedExtremeValue::do_log_survival(const Tensor& value) const {
  return log1mexp_of_exp(-gumbel_of(value));
}

Tensor GeneralizedExtremeValue::do_icdf(const Tensor& probability) const {
  return from_gumbel(-(-probability.log()).log());
}

Tensor GeneralizedExtremeValue::do_isf(const Tensor& probability) const {
  return from_gumbel(-(-at::log1p(-probability)).log());
}

}  // namespace partita::distributions
