// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/gumbel.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Gumbel::Gumbel(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("Gumbel",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor Gumbel::entropy() const { return scale().log() + (1 + std::numbers::egamma); }

Tensor Gumbel::mean() const { return loc() + scale() * std::numbers::egamma; }

Tensor Gumbel::variance() const {
  return scale().square() * (std::numbers::pi * std::numbers::pi / 6);
}

Tensor Gumbel::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(loc() + scale() * random.gumbel(extended_shape(sample_shape), options()),
                     {loc(), scale()});
}

Tensor Gumbel::do_log_prob(const Tensor& value) const {
  // With x = -z, e^x is infinite in every type beyond 1e4; at inf, x - e^x would be NaN.
  const Tensor x = (loc() - value).div_(scale()).clamp_max_(1e4);
  const Tensor e = exp_of(x);
  const bool records = at::GradMode::is_enabled() && e.requires_grad();  // which keeps x
  return (records ? x.sub(e) : x.sub_(e)).sub_(scale().log());
}

Tensor Gumbel::do_cdf(const Tensor& value) const {
  return exp_of_minus_exp((loc() - value) / scale());
}

Tensor Gumbel::do_log_cdf(const Tensor& value) const {
  return minus_exp((loc() - value) / scale());
}

Tensor Gumbel::do_log_survival(const Tensor& value) const {
  return log1mexp_of_exp((loc() - value) / scale());
}

Tensor Gumbel::do_icdf(const Tensor& probability) const {
  return loc() - scale() * (-probability.log()).log();
}

Tensor Gumbel::do_isf(const Tensor& probability) const {
  return loc() - scale() * (-at::log1p(-probability)).log();
}

}  // namespace partita::distributions
