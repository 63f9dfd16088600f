// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/student_t.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

namespace {

Constraint positive_and_finite() {
  return {"a finite number > 0", 0, false,
          [](const Tensor& x) { return (x > 0).logical_and(x < kInfinity); }};
}

/// sinh of it is 5e303.
constexpr double kLargestLogit = 700;

/// digamma(z + 1/2) - digamma(z), which cancels likewise.
Tensor digamma_half_step(const Tensor& z) {
  const Tensor large = z > 25;
  const Tensor small_z = z.masked_fill(large, 1);
  const Tensor r = z.masked_fill(large.logical_not(), 25).reciprocal();
  const Tensor s = r.square();
  return at::where(
      large, r * (1.0 / 2 + r * (1.0 / 8 + s * (-1.0 / 64 + s * (1.0 / 128 + s * (-17.0 / 2048))))),
      at::digamma(small_z + 0.5) - at::digamma(small_z));
}

}  // namespace

StudentT::StudentT(const TensorOrNumber& df, const TensorOrNumber& loc, const TensorOrNumber& scale,
                   bool validate_args)
    : Distribution("StudentT",
                   {{"df", df, positive_and_finite()},
                    {"loc", loc, constraints::real()},
                    {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor StudentT::entropy() const {
  // log B(df / 2, 1 / 2) + log(df) / 2 = log(2 pi) / 2 - (the half step).
  const Tensor z = in_double(df()) / 2;
  return (in_double(scale()).log() + (z + 0.5) * digamma_half_step(z) +
          0.5 * std::log(2 * std::numbers::pi) - log_gamma_half_step(z))
      .to(df().scalar_type());
}

Tensor StudentT::mean() const {
  return loc().masked_fill(df() <= 1, std::numeric_limits<double>::quiet_NaN());
}

Tensor StudentT::variance() const {
  const Tensor infinite = df() <= 2;
  const Tensor v = df().masked_fill(infinite, 3);
  return (scale().square() * (v / (v - 2)))
      .masked_fill(infinite, std::numeric_limits<double>::infinity())
      .masked_fill(df() <= 1, std::numeric_limits<double>::quiet_NaN());
}

Tensor StudentT::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = extended_shape(sample_shape);
  const Tensor v = in_double(df().expand(shape));
  const Tensor half = v / 2;
  const Tensor log_odds = random.log_standard_gamma(half).sub_(random.log_standard_gamma(half));
  const Tensor y = implicit_draw(Family::kLogitBeta, log_odds, half, half);
  // Beyond the largest number the hyperbolic sine has to stay finite, for its gradient.
  const Tensor half_logit = (y / 2).clamp(-kLargestLogit, kLargestLogit);
  return finite_draw(in_double(loc()) + in_double(scale()) * v.sqrt() * half_logit.sinh(),
                     options());
}

Tensor StudentT::do_log_prob(const Tensor& value) const {
  const Tensor v = in_double(df());
  const Tensor s = in_double(scale());
  const Tensor z = (in_double(value) - in_double(loc())) / (s * v.sqrt());
  // log(1 + z^2): each form sees the numbers at which it is precise and finite.
  const Tensor far = z.abs() > 1;
  const Tensor distant = z.masked_fill(far.logical_not().logical_or(z.isinf()), 1);
  Tensor log_far = 2 * at::hypot(distant, at::ones_like(distant)).log();
  if (z.isinf().any().item<bool>()) {  // if only because the quotient overflows
    const Tensor distance =
        (in_double(value) - in_double(loc())).abs().masked_fill(z.isinf().logical_not(), 1);
    log_far = at::where(z.isinf(), 2 * (distance.log() - s.log() - 0.5 * v.log()), log_far);
  }
  const Tensor log_term = at::where(far, log_far, at::log1p(z.masked_fill(far, 0).square()));
  return (log_gamma_half_step(v / 2) - 0.5 * std::log(2 * std::numbers::pi) - s.log() -
          0.5 * (v + 1) * log_term)
      .to(at::result_type(value, df()));
}

Tensor StudentT::logit_of(const Tensor& value) const {
  const Tensor z = (in_double(value) - in_double(loc())) / in_double(scale());
  return 2 * at::asinh(z / in_double(df()).sqrt());
}

Tensor StudentT::do_cdf(const Tensor& value) const {
  return tail(Family::kLogitBeta, Tail::kCdf, logit_of(value), df() / 2, df() / 2)
      .to(at::result_type(value, df()));
}

Tensor StudentT::do_log_cdf(const Tensor& value) const {
  return tail(Family::kLogitBeta, Tail::kLogCdf, logit_of(value), df() / 2, df() / 2)
      .to(at::result_type(value, df()));
}

Tensor StudentT::do_log_survival(const Tensor& value) const {
  return tail(Family::kLogitBeta, Tail::kLogSurvival, logit_of(value), df() / 2, df() / 2)
      .to(at::result_type(value, df()));
}

}  // namespace partita::distributions
