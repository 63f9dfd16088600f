// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/half_normal.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

// log(2 / pi) / 2
constexpr double kHalfLogTwoOverPi = -0.22579135264472743236;

}  // namespace

HalfNormal::HalfNormal(const TensorOrNumber& scale, bool validate_args)
    : Distribution("HalfNormal", {{"scale", scale, constraints::positive()}}, {}, validate_args) {}

Tensor HalfNormal::entropy() const { return 0.5 - kHalfLogTwoOverPi + scale().log(); }

Tensor HalfNormal::mean() const { return scale() * std::sqrt(2 / std::numbers::pi); }

Tensor HalfNormal::mode() const { return at::zeros_like(scale()); }

Tensor HalfNormal::variance() const { return scale().square() * (1 - 2 / std::numbers::pi); }

Tensor HalfNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(scale() * random.normal(extended_shape(sample_shape), options()).abs(),
                     {scale()});
}

Tensor HalfNormal::do_log_prob(const Tensor& value) const {
  return -0.5 * (value / scale()).square() - scale().log() + kHalfLogTwoOverPi;
}

Tensor HalfNormal::do_cdf(const Tensor& value) const {
  return at::erf(value / scale() * (1 / std::numbers::sqrt2));
}

Tensor HalfNormal::do_log_cdf(const Tensor& value) const {
  const Tensor z = value / scale() * (1 / std::numbers::sqrt2);
  // Near 1 by what is missing from it. Each branch sees the values that it is for.
  return at::where(z < 1, log_or_minus_infinity(at::erf(z.clamp_max(1))),
                   at::log1p(-at::erfc(z.clamp_min(1))));
}

Tensor HalfNormal::do_log_survival(const Tensor& value) const {
  const Tensor z = value / scale();
  // Near 0 by what is missing from 1.
  return at::where(z < 1, at::log1p(-at::erf(z.clamp_max(1) * (1 / std::numbers::sqrt2))),
                   std::numbers::ln2 + log_normal_cdf(-z.clamp_min(1)));
}

Tensor HalfNormal::do_icdf(const Tensor& probability) const {
  // Near 1 from 1 - probability, which has more digits.
  return scale() * at::where(probability < 0.5, std::numbers::sqrt2 * at::erfinv(probability),
                             -at::special_ndtri(0.5 * (1 - probability)));
}

Tensor HalfNormal::do_isf(const Tensor& probability) const {
  return scale() * at::where(probability > 0.5,
                             std::numbers::sqrt2 * at::erfinv(1 - probability.clamp_min(0.5)),
                             -at::special_ndtri(0.5 * probability));
}

}  // namespace partita::distributions
