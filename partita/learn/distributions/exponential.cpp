#include "partita/learn/distributions/exponential.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {}  // namespace

Exponential::Exponential(const TensorOrNumber& rate, bool validate_args)
    : Distribution("Exponential", {{"rate", rate, constraints::positive()}}, {}, validate_args) {}

Tensor Exponential::entropy() const { return 1 - rate().log(); }
Tensor Exponential::mode() const { return at::zeros_like(rate()); }

Tensor Exponential::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return random.exponential(extended_shape(sample_shape), options()) / rate();
}

Tensor Exponential::do_log_prob(const Tensor& value) const {
  return at::addcmul(rate().log(), rate(), value, -1);
}

Tensor Exponential::do_cdf(const Tensor& value) const { return -at::expm1(-rate() * value); }

Tensor Exponential::do_log_cdf(const Tensor& value) const { return log1mexp(-rate() * value); }

Tensor Exponential::do_log_survival(const Tensor& value) const { return -rate() * value; }

Tensor Exponential::do_icdf(const Tensor& probability) const {
  return -at::log1p(-probability) / rate();
}

Tensor Exponential::do_isf(const Tensor& probability) const { return -probability.log() / rate(); }

}  // namespace partita::distributions
