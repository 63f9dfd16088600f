#include "partita/learn/distributions/weibull.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Weibull::Weibull(const TensorOrNumber& scale, const TensorOrNumber& concentration,
                 bool validate_args)
    : Distribution("Weibull",
                   {{"scale", scale, constraints::positive()},
                    {"concentration", concentration, constraints::positive()}},
                   {}, validate_args) {}

Tensor Weibull::entropy() const {
  return std::numbers::egamma * (1 - concentration().reciprocal()) +
         (scale() / concentration()).log() + 1;
}

Tensor Weibull::mean() const { return scale() * (1 + concentration().reciprocal()).lgamma().exp(); }

Tensor Weibull::mode() const {
  const Tensor& k = concentration();
  const Tensor falls = k <= 1;
  return scale() *
         (1 - k.masked_fill(falls, 2).reciprocal()).pow(k.reciprocal()).masked_fill(falls, 0);
}

Tensor Weibull::variance() const {
  // Gamma(1 + 2/k) - Gamma(1 + 1/k)^2, as a product: both overflow for small k.
  const Tensor inverse = concentration().reciprocal();
  const Tensor log_mean = (1 + inverse).lgamma();
  return scale().square() * (2 * log_mean).exp() *
         at::expm1((1 + 2 * inverse).lgamma() - 2 * log_mean);
}

Tensor Weibull::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor log_exponential = random.exponential(extended_shape(sample_shape), options()).log();
  return scale() * (log_exponential / concentration()).exp();
}

Tensor Weibull::do_log_prob(const Tensor& value) const {
  const Tensor z = value / scale();
  return ((concentration() / scale()).log() + at::xlogy(concentration() - 1, z) -
          z.pow(concentration()))
      .masked_fill(value == kInfinity, -kInfinity);
}

Tensor Weibull::do_cdf(const Tensor& value) const { return -at::expm1(do_log_survival(value)); }

Tensor Weibull::do_log_cdf(const Tensor& value) const {
  return log1mexp_of_exp(concentration() * (value / scale()).log());
}

Tensor Weibull::do_log_survival(const Tensor& value) const {
  return -(value / scale()).pow(concentration());
}

Tensor Weibull::do_icdf(const Tensor& probability) const {
  return scale() * (-at::log1p(-probability)).pow(concentration().reciprocal());
}

Tensor Weibull::do_isf(const Tensor& probability) const {
  return scale() * (-probability.log()).pow(concentration().reciprocal());
}

}  // namespace partita::distributions
