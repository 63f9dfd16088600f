// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/continuous_bernoulli.hpp"

#include <ATen/ATen.h>

#include <array>
#include <limits>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

// The density is exp(s (x - 1/2) - h(s)), with s = logits and the even h(s) = log(sinh(s / 2) /
// (s / 2)). Up to |s| = kNear its power series, B_2k / (2k (2k)!) s^2k (DLMF 4.19.7), whose next
// term is below 1e-17; beyond, exponentials of -|s|, which then cancel little.
constexpr double kNear = 0.7;
constexpr std::array<double, 8> kSeries = {
    1.0 / 24,        -1.0 / 2880,          1.0 / 181440,        -1.0 / 9676800,
    1.0 / 479001600, -691 / 15692092416e3, 1.0 / 1046139494400, -3617 / 170729965486080e3};

/// The sum of weight(2k) kSeries[k] s^(2k - order).
template <class Weight>
Tensor series(const Tensor& s, int order, const Weight& weight) {
  const Tensor square = s.square();
  Tensor sum = at::zeros_like(s);
  for (std::size_t k = kSeries.size(); k > 0; --k) {
    sum = sum * square + weight(2.0 * static_cast<double>(k)) * kSeries[k - 1];
  }
  return order == 0 ? sum * square : order == 1 ? sum * s : sum;
}

/// near(s) where |s| <= bound, else far(|s|); each sees no other numbers, so that the gradient of
/// the one that is not taken is finite.
template <class Near, class Far>
Tensor by_size(const Tensor& s, double bound, const Near& near, const Far& far) {
  const Tensor is_near = s.abs() <= bound;
  return at::where(is_near, near(s.masked_fill(is_near.logical_not(), bound)),
                   far(s.masked_fill(is_near, bound).abs()));
}

/// P(X <= x) = exp(exponent) * ratio.
struct Lower {
  Tensor exponent;
  Tensor ratio;
};

/// (e^(s x) - 1) / (e^s - 1), without overflow; rest_of_x is 1 - x. For s near 0 by Bernoulli
/// polynomials (DLMF 24.2.3): the sum of (B_n(x) - B_n) s^(n - 1) / n!, whose next term is below
/// 1e-16.
Lower lower(const Tensor& x, const Tensor& rest_of_x, const Tensor& s) {
  constexpr double kBound = 0.01;
  const Tensor rest = x * (x - 1);
  const Tensor ratio = by_size(
      s, kBound,
      [&](const Tensor& t) {
        const Tensor third = rest * (x - 0.5) / 6;
        const Tensor fourth = rest.square() / 24;
        const Tensor fifth = rest * (x - 0.5) * (rest - 1.0 / 3) / 120;
        return x + t * (rest / 2 + t * (third + t * (fourth + t * fifth)));
      },
      [&](const Tensor& m) { return one_minus_exp(-m * x) / one_minus_exp(-m); });
  return {-s.masked_fill(s.abs() <= kBound, 0).clamp_min(0) * rest_of_x, ratio};
}

Tensor probability(const Lower& l) { return l.exponent.exp() * l.ratio; }

/// The logarithm of a probability: its own, or where that is over 1/2 by the other's, which has the
/// digits of what is missing from 1.
Tensor log_probability(const Lower& own, const Lower& other) {
  const Tensor rest = probability(other);
  const Tensor is_small = rest > 0.5;
  return at::where(is_small, own.exponent + log_or_minus_infinity(own.ratio),
                   at::log1p(-rest.masked_fill(is_small, 0)));
}

/// The inverse of lower_probability; for s near 0 by the cumulants of a coin, off by 1e-14.
Tensor value_at(const Tensor& p, const Tensor& s) {
  const Tensor positive = s > 0;
  return by_size(
      s, 0.01,
      [&](const Tensor& t) {
        const Tensor v = p * (1 - p);
        const Tensor skew = v * (1 - 2 * p);
        return p + t * (v / 2 + t * (skew / 6 +
                                     t * (v * (1 - 6 * v) / 24 + t * (skew * (1 - 12 * v) / 120))));
      },
      [&](const Tensor& m) {
        // log1p for what is near 0 (up to an e^m that is finite), logaddexp for the rest.
        const Tensor log_p = log_or_minus_infinity(p);
        const Tensor log_q = log1m_or_minus_infinity(p);
        const Tensor small_m = m.clamp_max(600);
        const Tensor rising = at::where(m == small_m, at::log1p(p * at::expm1(small_m)) / small_m,
                                        1 + at::logaddexp(log_p, log_q - m) / m);
        const Tensor falling =
            at::where(p < 0.5, -at::log1p(p * at::expm1(-m)), -at::logaddexp(log_q, log_p - m)) / m;
        return at::where(positive, rising, falling).clamp(0, 1);
      });
}

}  // namespace

ContinuousBernoulli::ContinuousBernoulli(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("ContinuousBernoulli",
                   {parameter.argument(constraints::unit_interval(), constraints::real())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Tensor ContinuousBernoulli::probs() const {
  return is_logits_ ? parameter(0).sigmoid() : parameter(0);
}

Tensor ContinuousBernoulli::logits() const {
  return is_logits_ ? parameter(0) : slope().to(parameter(0).scalar_type());
}

Tensor ContinuousBernoulli::slope() const {
  const at::ScalarType type = parameter(0).scalar_type();
  if (is_logits_) {
    constexpr double kLargest = std::numeric_limits<double>::max() / 4;
    return in_double(parameter(0)).clamp(-kLargest, kLargest);
  }
  return at::logit(in_double(parameter(0)).clamp(smallest_normal(type), 1 - epsilon(type) / 2));
}

Tensor ContinuousBernoulli::entropy() const {
  return by_size(
             slope(), kNear,
             [](const Tensor& s) { return series(s, 0, [](double n) { return 1 - n; }); },
             [](const Tensor& m) {
               const Tensor e = (-m).exp();
               return 1 - m * e / (1 - e) - m.log() + at::log1p(-e);
             })
      .to(parameter(0).scalar_type());
}

Tensor ContinuousBernoulli::mean() const {
  const Tensor s = slope();
  const Tensor sign = s.sign();
  return (0.5 + by_size(
                    s, kNear,
                    [](const Tensor& t) { return series(t, 1, [](double n) { return n; }); },
                    [&](const Tensor& m) { return sign * (0.5 - 1 / m + 1 / at::expm1(m)); }))
      .to(parameter(0).scalar_type());
}

Tensor ContinuousBernoulli::mode() const {
  const Tensor s = slope();
  return (s > 0)
      .to(parameter(0).scalar_type())
      .masked_fill(s == 0, std::numeric_limits<double>::quiet_NaN());
}

Tensor ContinuousBernoulli::variance() const {
  return by_size(
             slope(), kNear,
             [](const Tensor& s) { return series(s, 2, [](double n) { return n * (n - 1); }); },
             [](const Tensor& m) {
               return m.square().reciprocal() - (-m).exp() / at::expm1(-m).square();
             })
      .to(parameter(0).scalar_type());
}

Tensor ContinuousBernoulli::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor uniform = random.uniform(extended_shape(sample_shape), options().dtype(at::kDouble));
  return value_at(uniform, slope()).to(options());
}

Tensor ContinuousBernoulli::do_log_prob(const Tensor& value) const {
  const Tensor s = slope();
  const Tensor x = in_double(value);
  const Tensor from_peak = at::where(s > 0, 1 - x, x);
  return by_size(
             s, kNear,
             [&](const Tensor& t) {
               return t * (x - 0.5) - series(t, 0, [](double /*n*/) { return 1.0; });
             },
             [&](const Tensor& m) { return m.log() - at::log1p(-(-m).exp()) - m * from_peak; })
      .to(at::result_type(value, parameter(0)));
}

Tensor ContinuousBernoulli::do_cdf(const Tensor& value) const {
  const Tensor x = in_double(value);
  // Over 1/2 by what is missing from 1, which has the digits of its slope.
  const Tensor below = probability(lower(x, 1 - x, slope()));
  const Tensor above = probability(lower(1 - x, x, -slope()));
  return at::where(below < 0.5, below, 1 - above).to(at::result_type(value, parameter(0)));
}

Tensor ContinuousBernoulli::do_log_cdf(const Tensor& value) const {
  const Tensor x = in_double(value);
  return log_probability(lower(x, 1 - x, slope()), lower(1 - x, x, -slope()))
      .to(at::result_type(value, parameter(0)));
}

Tensor ContinuousBernoulli::do_log_survival(const Tensor& value) const {
  const Tensor x = in_double(value);
  return log_probability(lower(1 - x, x, -slope()), lower(x, 1 - x, slope()))
      .to(at::result_type(value, parameter(0)));
}

Tensor ContinuousBernoulli::do_icdf(const Tensor& probability) const {
  return value_at(in_double(probability), slope()).to(at::result_type(probability, parameter(0)));
}

Tensor ContinuousBernoulli::do_isf(const Tensor& probability) const {
  // 1 - X is of the opposite slope.
  return (1 - value_at(in_double(probability), -slope()))
      .to(at::result_type(probability, parameter(0)));
}

}  // namespace partita::distributions
