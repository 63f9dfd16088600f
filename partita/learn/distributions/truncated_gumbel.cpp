// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/truncated_gumbel.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

Constraint not_minus_infinity() {
  return {"a number > -inf", 0, false, [](const Tensor& x) { return x > -kInfinity; }};
}

/// (x - bound) / scale; without gradient, but of the right sign, where the bound is +inf.
Tensor distance_to_bound(const Tensor& x, const Tensor& bound, const Tensor& scale) {
  const Tensor none = bound == kInfinity;
  return ((x - bound.masked_fill(none, 0)) / scale).masked_fill(none, -kInfinity);
}

/// e^c E1(c), E1 the exponential integral, for c >= 2: its continued fraction (Abramowitz and
/// Stegun 5.1.22, contracted), whose error after n levels is about e^(-4 sqrt(n c)).
Tensor scaled_exponential_integral(const Tensor& c) {
  constexpr int kLevels = 50;
  Tensor rest = c + (2 * kLevels + 1);
  for (int k = kLevels; k >= 1; --k) rest = c + (2 * k - 1) - k * k / rest;
  return rest.reciprocal();
}

/// -log c - e^c E1(c) for 0 < c <= 2, by E1(c) = -gamma - log c - sum (-c)^k / (k k!) (Abramowitz
/// and Stegun 5.1.11), so that it tends to gamma as c does to 0.
Tensor mean_from_series(const Tensor& c) {
  constexpr int kTerms = 30;
  Tensor sum = at::zeros_like(c);
  Tensor power = -at::ones_like(c);  // -(-c)^k / k!
  for (int k = 1; k <= kTerms; ++k) {
    power = power * (-c / k);
    sum = sum + power / k;
  }
  return c.exp() * (std::numbers::egamma - sum) + at::expm1(c) * c.log();
}

}  // namespace

TruncatedGumbel::TruncatedGumbel(const TensorOrNumber& loc, const TensorOrNumber& scale,
                                 const TensorOrNumber& maximum, bool validate_args)
    : Distribution("TruncatedGumbel",
                   {{"loc", loc, not_minus_infinity()},
                    {"scale", scale, constraints::positive()},
                    {"maximum", maximum, not_minus_infinity()}},
                   {}, validate_args) {}

Constraint TruncatedGumbel::support() const {
  return constraints::interval(at::full({}, -kInfinity, options()), maximum(), "(-inf, maximum]");
}

// With z = (X - loc) / scale, e^-z is c = e^-t and an exponential: E z = -log c - e^c E1(c), and
// E e^-z = c + 1.

Tensor TruncatedGumbel::mean() const {
  const Tensor t = -distance_to_bound(loc(), maximum(), scale());
  const double middle = -std::numbers::ln2;  // where c = 2
  // Past the clamps both results have long reached their limits.
  return at::where(
      t > middle, loc() + scale() * mean_from_series((-t.clamp(middle, 50)).exp()),
      maximum() - scale() * scaled_exponential_integral((-t.clamp(-80, middle)).exp()));
}

Tensor TruncatedGumbel::entropy() const { return scale().log() + 1 + (mean() - loc()) / scale(); }

Tensor TruncatedGumbel::mode() const { return at::minimum(loc(), maximum()); }

Tensor TruncatedGumbel::from_exponential(const Tensor& exponential) const {
  // loc - scale log(e^-t + E) with the larger of the two terms taken out.
  const Tensor log_exponential = exponential.log();
  const Tensor gap = log_exponential - distance_to_bound(loc(), maximum(), scale());
  return at::where(gap <= 0, maximum() - scale() * at::log1p(gap.clamp_max(0).exp()),
                   loc() - scale() * (log_exponential + at::log1p((-gap.clamp_min(0)).exp())));
}

Tensor TruncatedGumbel::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(from_exponential(random.exponential(extended_shape(sample_shape), options())),
                     {loc(), scale()});
}

Tensor TruncatedGumbel::do_log_prob(const Tensor& value) const {
  return (do_log_cdf(value) - (value - loc()) / scale() - scale().log())
      .masked_fill((value == -kInfinity).logical_or(value > maximum()), -kInfinity);
}

Tensor TruncatedGumbel::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor TruncatedGumbel::do_log_cdf(const Tensor& value) const {
  // e^-t - e^-z = e^-z (e^(z - t) - 1): a product, so nothing cancels. At the bound it is 0, even
  // where e^-z overflows.
  const Tensor z = (value - loc()) / scale();
  const Tensor top = (value >= maximum()).logical_and((-z).exp() == kInfinity);
  const Tensor log_cdf = (-z.masked_fill(top, 0)).exp() *
                         at::expm1(distance_to_bound(value, maximum(), scale()).clamp_max(0));
  // Of the product, the slope by the bound would be lost where e^(z - t) - 1 rounds to -1.
  return with_derivatives_of(
      minus_exp(-z) - minus_exp(distance_to_bound(loc(), maximum(), scale())), log_cdf);
}

Tensor TruncatedGumbel::do_log_survival(const Tensor& value) const {
  return log1mexp(do_log_cdf(value));
}

Tensor TruncatedGumbel::do_icdf(const Tensor& probability) const {
  return from_exponential(-probability.log());
}

Tensor TruncatedGumbel::do_isf(const Tensor& probability) const {
  return from_exponential(-at::log1p(-probability));
}

}  // namespace partita::distributions
