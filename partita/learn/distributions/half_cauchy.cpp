// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/half_cauchy.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

constexpr double kTwoOverPi = 2 / std::numbers::pi;

}  // namespace

HalfCauchy::HalfCauchy(const TensorOrNumber& scale, bool validate_args)
    : Distribution("HalfCauchy", {{"scale", scale, constraints::positive()}}, {}, validate_args) {}

Tensor HalfCauchy::entropy() const { return std::log(2 * std::numbers::pi) + scale().log(); }

Tensor HalfCauchy::mean() const {
  return at::full_like(scale(), std::numeric_limits<double>::infinity());
}

Tensor HalfCauchy::mode() const { return at::zeros_like(scale()); }

Tensor HalfCauchy::variance() const { return mean(); }

Tensor HalfCauchy::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // tan(pi u / 2) of u = sigmoid(logistic), by the nearer of u's ends: both have all their digits.
  const Tensor logistic = random.logistic(extended_shape(sample_shape), options());
  const Tensor small = at::tan((-logistic.abs()).sigmoid() * (std::numbers::pi / 2));
  return finite_draw(scale() * at::where(logistic > 0, small.reciprocal(), small), {scale()});
}

Tensor HalfCauchy::do_log_prob(const Tensor& value) const {
  // Of the logarithm of s / (s^2 + x^2), neither x / s nor a square overflows.
  return std::log(kTwoOverPi) + scale().log() - 2 * at::hypot(value, scale()).log();
}

Tensor HalfCauchy::do_cdf(const Tensor& value) const {
  return kTwoOverPi * at::atan(value / scale());
}

// F(z) = 2 atan(z) / pi = 1 - F(1 / z): each half by the smaller of the two probabilities, on the
// values that it is for.

Tensor HalfCauchy::do_log_cdf(const Tensor& value) const {
  const Tensor z = value / scale();
  return at::where(z < 1, log_or_minus_infinity(kTwoOverPi * at::atan(z.clamp_max(1))),
                   at::log1p(-kTwoOverPi * at::atan(z.clamp_min(1).reciprocal())));
}

Tensor HalfCauchy::do_log_survival(const Tensor& value) const {
  const Tensor z = value / scale();
  return at::where(z < 1, at::log1p(-kTwoOverPi * at::atan(z.clamp_max(1))),
                   (kTwoOverPi * at::atan(z.clamp_min(1).reciprocal())).log());
}

Tensor HalfCauchy::do_icdf(const Tensor& probability) const {
  constexpr double kHalfPi = std::numbers::pi / 2;
  return scale() * at::where(probability < 0.5, at::tan(kHalfPi * probability.clamp_max(0.5)),
                             at::tan(kHalfPi * (1 - probability.clamp_min(0.5))).reciprocal());
}

Tensor HalfCauchy::do_isf(const Tensor& probability) const {
  constexpr double kHalfPi = std::numbers::pi / 2;
  return scale() * at::where(probability > 0.5, at::tan(kHalfPi * (1 - probability.clamp_min(0.5))),
                             at::tan(kHalfPi * probability.clamp_max(0.5)).reciprocal());
}

}  // namespace partita::distributions
