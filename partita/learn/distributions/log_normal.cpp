// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/log_normal.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;

}  // namespace

LogNormal::LogNormal(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("LogNormal",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor LogNormal::entropy() const { return 0.5 + kHalfLogTwoPi + scale().log() + loc(); }

Tensor LogNormal::mean() const { return (loc() + scale().square() / 2).exp(); }

Tensor LogNormal::mode() const { return (loc() - scale().square()).exp(); }

Tensor LogNormal::variance() const {
  const Tensor square = scale().square();
  return at::expm1(square) * (2 * loc() + square).exp();
}

Tensor LogNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return exp_draw(loc() + scale() * random.normal(extended_shape(sample_shape), options()),
                  options());
}

Tensor LogNormal::do_log_prob(const Tensor& value) const {
  const Tensor zero = value == 0;
  const Tensor log_value = value.masked_fill(zero, 1).log();
  const Tensor z = (log_value - loc()) / scale();
  return (-0.5 * z.square() - scale().log() - kHalfLogTwoPi - log_value)
      .masked_fill(zero, -std::numeric_limits<double>::infinity());
}

Tensor LogNormal::do_cdf(const Tensor& value) const {
  const Tensor zero = value == 0;
  const Tensor z = (value.masked_fill(zero, 1).log() - loc()) / scale();
  return (0.5 * at::erfc(z / -std::numbers::sqrt2)).masked_fill(zero, 0);
}

Tensor LogNormal::do_log_cdf(const Tensor& value) const {
  const Tensor zero = value == 0;
  const Tensor z = (value.masked_fill(zero, 1).log() - loc()) / scale();
  return log_normal_cdf(z).masked_fill(zero, -std::numeric_limits<double>::infinity());
}

Tensor LogNormal::do_log_survival(const Tensor& value) const {
  const Tensor zero = value == 0;
  const Tensor z = (value.masked_fill(zero, 1).log() - loc()) / scale();
  return log_normal_cdf(-z).masked_fill(zero, 0);
}

Tensor LogNormal::do_icdf(const Tensor& probability) const {
  return (loc() + scale() * at::special_ndtri(probability)).exp();
}

Tensor LogNormal::do_isf(const Tensor& probability) const {
  return (loc() - scale() * at::special_ndtri(probability)).exp();
}

}  // namespace partita::distributions
