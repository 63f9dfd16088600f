// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/pareto.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// e^x of it is finite.
constexpr double kLargestLog = 709;

/// log(value / scale), with all its digits where the two are close, and without overflow.
Tensor log_ratio(const Tensor& value, const Tensor& scale) {
  const Tensor excess = (value - scale) / scale;
  const Tensor far =
      excess > largest_number(excess.scalar_type()) / 1e4;  // log1p is infinite there
  if (!far.any().item<bool>()) return at::log1p(excess);
  const Tensor near = at::where(far, scale, value);
  return at::where(far, value.log() - scale.log(), at::log1p((near - scale) / scale));
}

}  // namespace

Pareto::Pareto(const TensorOrNumber& scale, const TensorOrNumber& alpha, bool validate_args)
    : Distribution(
          "Pareto",
          {{"scale", scale, constraints::positive()}, {"alpha", alpha, constraints::positive()}},
          {}, validate_args) {}

Tensor Pareto::entropy() const { return scale().log() - alpha().log() + 1 + alpha().reciprocal(); }

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
  const Tensor exponential = in_double(random.exponential(extended_shape(sample_shape), options()));
  const Tensor log_ratio = (exponential / in_double(alpha())).clamp_max(kLargestLog);
  return finite_draw(in_double(scale()) * log_ratio.exp(), options());
}

Tensor Pareto::do_log_prob(const Tensor& value) const {
  return alpha().log() - value.log() + do_log_survival(value);
}

Tensor Pareto::do_cdf(const Tensor& value) const { return one_minus_exp(do_log_survival(value)); }

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
