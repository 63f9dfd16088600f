#include "partita/learn/distributions/half_normal.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

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
  return scale() * random.normal(extended_shape(sample_shape), options()).abs();
}

Tensor HalfNormal::do_log_prob(const Tensor& value) const {
  return (-0.5 * (value / scale()).square() - scale().log() + kHalfLogTwoOverPi)
      .masked_fill(value < 0, -std::numeric_limits<double>::infinity());
}

Tensor HalfNormal::do_cdf(const Tensor& value) const {
  return at::erf(value / scale() * (1 / std::numbers::sqrt2));
}

Tensor HalfNormal::do_log_cdf(const Tensor& value) const {
  const Tensor z = value / scale() * (1 / std::numbers::sqrt2);
  // Near 1 by what is missing from it. Each branch sees the values that it is for.
  return at::where(z < 1, at::erf(z.clamp_max(1)).log(), at::log1p(-at::erfc(z.clamp_min(1))));
}

Tensor HalfNormal::do_log_survival(const Tensor& value) const {
  return std::numbers::ln2 + at::special_log_ndtr(-value / scale());
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
