// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/cauchy.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "partita/learn/distributions/internal/implicit.hpp"

namespace partita::distributions {

namespace {

/// P(Z <= z) of Cauchy(0, 1): the angle of the point (-z, 1), precise as z goes to -inf.
Tensor standard_cdf(const Tensor& z) { return at::atan2(at::ones_like(z), -z) / kPi; }

Tensor standard_log_cdf(const Tensor& z) {
  // Each branch sees the numbers that it is for.
  return at::where(z > 0, at::log1p(-standard_cdf(-z.clamp_min(0))),
                   standard_cdf(z.clamp_max(0)).log());
}

Tensor standard_icdf(const Tensor& probability) {
  return (kPi * (probability - 0.5)).sin() /
         (kPi * at::minimum(probability, 1 - probability)).sin();
}

}  // namespace

Cauchy::Cauchy(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("Cauchy",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor Cauchy::entropy() const { return std::log(4 * kPi) + scale().log(); }

Tensor Cauchy::mean() const {
  return at::full_like(loc(), std::numeric_limits<double>::quiet_NaN());
}

Tensor Cauchy::variance() const {
  return at::full_like(loc(), std::numeric_limits<double>::infinity());
}

Tensor Cauchy::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // tan(pi (u - 1/2)) for a uniform u = sigmoid(l), as a ratio of sines of which the upper is
  // precise near the center and the lower in the tails.
  const Tensor l = random.logistic(extended_shape(sample_shape), options());
  const Tensor standard = (kPi / 2 * (l / 2).tanh()).sin() / (kPi * (-l.abs()).sigmoid()).sin();
  return finite_draw(loc() + scale() * standard, {loc(), scale()});
}

Tensor Cauchy::do_log_prob(const Tensor& value) const {
  // Of the logarithm of s / (s^2 + d^2), neither d / s nor a square overflows.
  return scale().log() - 2 * at::hypot(value - loc(), scale()).log() - std::log(kPi);
}

Tensor Cauchy::do_cdf(const Tensor& value) const { return standard_cdf((value - loc()) / scale()); }

Tensor Cauchy::do_log_cdf(const Tensor& value) const {
  return standard_log_cdf((value - loc()) / scale());
}

Tensor Cauchy::do_log_survival(const Tensor& value) const {
  return standard_log_cdf((loc() - value) / scale());
}

Tensor Cauchy::do_icdf(const Tensor& probability) const {
  return loc() + scale() * standard_icdf(probability);
}

Tensor Cauchy::do_isf(const Tensor& probability) const {
  return loc() - scale() * standard_icdf(probability);
}

}  // namespace partita::distributions
