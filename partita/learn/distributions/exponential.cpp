#include "partita/learn/distributions/exponential.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Exponential::Exponential(const TensorOrNumber& rate, bool validate_args)
    : Distribution("Exponential", {{"rate", rate, constraints::positive()}}, {}, validate_args) {}

Tensor Exponential::entropy() const { return 1 - rate().log(); }
Tensor Exponential::mode() const { return at::zeros_like(rate()); }

Tensor Exponential::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor draw = random.exponential(extended_shape(sample_shape), options()) / rate();
  return all_at_least(unexpanded(rate()), 1e3 * smallest_normal(draw.scalar_type()))
             ? draw
             : finite_draw(draw, draw.options());
}

Tensor Exponential::do_log_prob(const Tensor& value) const {
  return at::addcmul(rate().log(), rate(), value, -1);
}

Tensor Exponential::do_cdf(const Tensor& value) const { return one_minus_exp(-rate() * value); }

Tensor Exponential::do_log_cdf(const Tensor& value) const { return log1mexp(-rate() * value); }

Tensor Exponential::do_log_survival(const Tensor& value) const { return -rate() * value; }

Tensor Exponential::do_icdf(const Tensor& probability) const {
  return -at::log1p(-probability) / rate();
}

Tensor Exponential::do_isf(const Tensor& probability) const { return -probability.log() / rate(); }

}  // namespace partita::distributions
