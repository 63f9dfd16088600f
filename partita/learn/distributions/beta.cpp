// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/beta.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

Tensor log_beta(const Tensor& a, const Tensor& b) {
  return at::lgamma(a) + at::lgamma(b) - at::lgamma(a + b);
}

/// tail() of the logit of x, with gradient 0 at the ends of the support.
Tensor tail_of_fraction(Tail which, const Tensor& x, const Tensor& a, const Tensor& b) {
  const Tensor low = x == 0;
  const Tensor high = x == 1;
  const Tensor y = at::logit(x.masked_fill(low.logical_or(high), 0.5));
  return tail(Family::kLogitBeta, which, y, a, b)
      .masked_fill(low, which == Tail::kLogCdf ? -kInfinity : 0.0)
      .masked_fill(high, which == Tail::kCdf      ? 1.0
                         : which == Tail::kLogCdf ? 0.0
                                                  : -kInfinity);
}

}  // namespace

Beta::Beta(const TensorOrNumber& concentration1, const TensorOrNumber& concentration0,
           bool validate_args)
    : Distribution("Beta",
                   {{"concentration1", concentration1, constraints::positive()},
                    {"concentration0", concentration0, constraints::positive()}},
                   {}, validate_args) {}

Tensor Beta::entropy() const {
  const Tensor a = in_double(concentration1());
  const Tensor b = in_double(concentration0());
  const Tensor n = a + b;
  // log B(a, b) - (a - 1) digamma(a) - (b - 1) digamma(b) + (n - 2) digamma(n)
  return (0.5 * (a.log() + b.log() + std::log(2 * kPi)) - 1.5 * n.log() + stirling(a) +
          stirling(b) - stirling(n) - (a - 1) * digamma_less_log(a) -
          (b - 1) * digamma_less_log(b) + (n - 2) * digamma_less_log(n))
      .to(concentration1().scalar_type());
}

Tensor Beta::mean() const { return concentration1() / (concentration1() + concentration0()); }

Tensor Beta::mode() const {
  const Tensor& a = concentration1();
  const Tensor& b = concentration0();
  const Tensor one = (a - 1).clamp_min(0);
  const Tensor zero = (b - 1).clamp_min(0);
  const Tensor at_ends =
      at::maximum(a, b).le(1).logical_and((a == 1).logical_and(b == 1).logical_not());
  return at::where(at_ends, (a >= b).to(a.scalar_type()), one / (one + zero));
}

Tensor Beta::variance() const {
  const Tensor total = concentration1() + concentration0();
  return mean() * (concentration0() / total) / (total + 1);
}

Tensor Beta::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = extended_shape(sample_shape);
  const Tensor a = in_double(unexpanded(concentration1())).expand(shape);
  const Tensor b = in_double(unexpanded(concentration0())).expand(shape);
  const Tensor log_odds = random.log_standard_gamma(a).sub_(random.log_standard_gamma(b));
  const Tensor logit = implicit_draw(Family::kLogitBeta, log_odds, a, b);
  return fraction_draw(logit.sigmoid(), options());
}

Tensor Beta::do_log_prob(const Tensor& value) const {
  const Tensor own_a = unexpanded(concentration1());
  const Tensor own_b = unexpanded(concentration0());
  const at::ScalarType type =
      value.scalar_type() == at::kFloat ? log_gamma_type({own_a + own_b}) : at::kDouble;
  const Tensor a = own_a.to(type);
  const Tensor b = own_b.to(type);
  const Tensor x = expanded_with(value, concentration1()).to(type);
  const at::ScalarType result = at::result_type(value, concentration1());
  if (type == at::kFloat && all_within(x, smallest_normal(type), 1 - epsilon(type) / 2)) {
    // In single precision, log(1 - x) has an absolute error of 3e-8, less than other terms have:
    // there is no need for log1p, which is slower.
    return at::addcmul(-log_beta(a, b), a - 1, x.log()).addcmul_(b - 1, (1 - x).log()).to(result);
  }
  const Tensor at_end = (x == 0).logical_or(x == 1);
  const Tensor inner = in_double(x.masked_fill(at_end, 0.5));
  const Tensor wide_a = in_double(a);
  const Tensor wide_b = in_double(b);
  const Tensor log_x = inner.log();
  const Tensor log_rest = at::log1p(-inner);
  const Tensor log_p = log_binomial_term(wide_a, wide_b, inner, log_x, log_rest) + wide_a.log() +
                       wide_b.log() - (wide_a + wide_b).log() - log_x - log_rest;
  if (!at_end.any().item<bool>()) return log_p.to(result);
  const Tensor log_p_at_end = times(a - 1, log_or_minus_infinity(x)) +
                              times(b - 1, log1m_or_minus_infinity(x)) - log_beta(a, b);
  return at::where(at_end, in_double(log_p_at_end), log_p).to(result);
}

Tensor Beta::do_cdf(const Tensor& value) const {
  return tail_of_fraction(Tail::kCdf, value, concentration1(), concentration0());
}

Tensor Beta::do_log_cdf(const Tensor& value) const {
  return tail_of_fraction(Tail::kLogCdf, value, concentration1(), concentration0());
}

Tensor Beta::do_log_survival(const Tensor& value) const {
  return tail_of_fraction(Tail::kLogSurvival, value, concentration1(), concentration0());
}

}  // namespace partita::distributions
