#include "partita/learn/distributions/pareto.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// log(value / scale), with all its digits where the two are close.
Tensor log_ratio(const Tensor& value, const Tensor& scale) {
  return at::log1p((value - scale) / scale);
}

}  // namespace

Pareto::Pareto(const TensorOrNumber& scale, const TensorOrNumber& alpha, bool validate_args)
    : Distribution(
          "Pareto",
          {{"scale", scale, constraints::positive()}, {"alpha", alpha, constraints::positive()}},
          {}, validate_args) {}

Tensor Pareto::entropy() const { return (scale() / alpha()).log() + 1 + alpha().reciprocal(); }

Tensor Pareto::mean() const {
  const Tensor infinite = alpha() <= 1;
  const Tensor a = alpha().masked_fill(infinite, 2);
  return (scale() * a / (a - 1)).masked_fill(infinite, kInfinity);
}

Tensor Pareto::variance() const {
  const Tensor infinite = alpha() <= 2;
  const Tensor a = alpha().masked_fill(infinite, 3);
  return (scale().square() * a / ((a - 1).square() * (a - 2))).masked_fill(infinite, kInfinity);
}

Tensor Pareto::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return scale() * (random.exponential(extended_shape(sample_shape), options()) / alpha()).exp();
}

Tensor Pareto::do_log_prob(const Tensor& value) const {
  return alpha().log() - value.log() + do_log_survival(value);
}

Tensor Pareto::do_cdf(const Tensor& value) const { return -at::expm1(do_log_survival(value)); }

Tensor Pareto::do_log_cdf(const Tensor& value) const { return log1mexp(do_log_survival(value)); }

Tensor Pareto::do_log_survival(const Tensor& value) const {
  return -alpha() * log_ratio(value, scale());
}

Tensor Pareto::do_icdf(const Tensor& probability) const {
  return scale() * (-at::log1p(-probability) / alpha()).exp();
}

Tensor Pareto::do_isf(const Tensor& probability) const {
  return scale() * (-probability.log() / alpha()).exp();
}

}  // namespace partita::distributions
