// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/normal.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Normal::Normal(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("Normal",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor Normal::entropy() const {
  return 0.5 + 0.5 * std::log(2 * std::numbers::pi) + scale().log();
}

Tensor Normal::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(
      random.normal(extended_shape(sample_shape), options()).mul_(scale()).add_(loc()),
      {loc(), scale()});
}

Tensor Normal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(loc() + scale() * random.normal(extended_shape(sample_shape), options()),
                     {loc(), scale()});
}

Tensor Normal::do_log_prob(const Tensor& value) const {
  const Tensor z = (value - loc()) / scale();
  return -0.5 * z.square() - scale().log() - 0.5 * std::log(2 * std::numbers::pi);
}

Tensor Normal::do_cdf(const Tensor& value) const {
  // special_ndtr cancels in libtorch 1.13: 0 from -8.3 on.
  return 0.5 * at::erfc((loc() - value) / (scale() * std::numbers::sqrt2));
}

Tensor Normal::do_log_cdf(const Tensor& value) const {
  return log_normal_cdf((value - loc()) / scale());
}

Tensor Normal::do_log_survival(const Tensor& value) const {
  return log_normal_cdf((loc() - value) / scale());
}

Tensor Normal::do_icdf(const Tensor& probability) const {
  return loc() + scale() * at::special_ndtri(probability);
}

Tensor Normal::do_isf(const Tensor& probability) const {
  return loc() - scale() * at::special_ndtri(probability);
}

}  // namespace partita::distributions
