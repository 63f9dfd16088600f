// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/gamma.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// tail() of log(rate x), without gradient at x = 0.
Tensor tail_at(Tail which, const Tensor& x, const Tensor& concentration, const Tensor& rate) {
  const Tensor zero = x == 0;
  return tail(Family::kLogGamma, which,
              in_double(x).masked_fill(zero, 1).log() + in_double(rate).log(), concentration)
      .masked_fill(zero, which == Tail::kLogCdf ? -kInfinity : 0.0);
}

}  // namespace

Gamma::Gamma(const TensorOrNumber& concentration, const TensorOrNumber& rate, bool validate_args)
    : Gamma("Gamma",
            {{"concentration", concentration, constraints::positive()},
             {"rate", rate, constraints::positive()}},
            validate_args) {}

Tensor Gamma::entropy() const {
  const Tensor c = in_double(concentration());
  // c - log(r) + log Gamma(c) + (1 - c) digamma(c)
  return (0.5 * (c.log() + std::log(2 * kPi)) + stirling(c) + (1 - c) * digamma_less_log(c) -
          in_double(rate()).log())
      .to(parameter(0).scalar_type());
}

Tensor Gamma::mode() const { return ((concentration() - 1) / rate()).clamp_min(0); }

Tensor Gamma::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor c = in_double(unexpanded(concentration())).expand(extended_shape(sample_shape));
  const Tensor log_draw = implicit_draw(Family::kLogGamma, random.log_standard_gamma(c), c);
  return exp_draw(log_draw - in_double(unexpanded(rate())).log(), options());
}

Tensor Gamma::do_log_prob(const Tensor& value) const {
  const at::ScalarType result = at::result_type(value, parameter(0));
  Tensor c = unexpanded(concentration());
  Tensor r = unexpanded(rate());
  const bool is_single = value.scalar_type() == at::kFloat && r.scalar_type() == at::kFloat;
  const at::ScalarType type = is_single ? log_gamma_type({c}) : at::kDouble;
  // With the logarithm of r x, what cancels does not grow with the scale.
  const Tensor y = r.to(type) * expanded_with(value, parameter(0)).to(type);
  if (type == at::kFloat && all_within(y, smallest_normal(type), largest_number(type))) {
    return at::addcmul(r.to(type).log() - at::lgamma(c), c - 1, y.log()).sub_(y).to(result);
  }
  c = in_double(c);
  r = in_double(r);
  const Tensor x = in_double(expanded_with(value, parameter(0)));
  const Tensor zero = x == 0;
  const Tensor log_x = x.masked_fill(zero, 1).log();
  const Tensor log_p =
      log_poisson_term(c, r * x.masked_fill(zero, 1), r.log() + log_x) + c.log() - log_x;
  if (!zero.any().item<bool>()) return log_p.to(result);
  // At 0 the density is 0, infinite or, with c = 1, the rate.
  const Tensor at_zero = r.log() + times(c - 1, at::full({}, -kInfinity, x.options()));
  return at::where(zero, at_zero, log_p).to(result);
}

Tensor Gamma::do_cdf(const Tensor& value) const {
  return tail_at(Tail::kCdf, value, concentration(), rate());
}

Tensor Gamma::do_log_cdf(const Tensor& value) const {
  return tail_at(Tail::kLogCdf, value, concentration(), rate());
}

Tensor Gamma::do_log_survival(const Tensor& value) const {
  return tail_at(Tail::kLogSurvival, value, concentration(), rate());
}

Chi2::Chi2(const TensorOrNumber& df, bool validate_args)
    : Gamma("Chi2", {{"df", df, constraints::positive()}}, validate_args) {}

Tensor Chi2::rate() const { return at::full_like(df(), 0.5); }

}  // namespace partita::distributions
