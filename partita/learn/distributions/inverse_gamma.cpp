// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/inverse_gamma.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

InverseGamma::InverseGamma(const TensorOrNumber& concentration, const TensorOrNumber& rate,
                           bool validate_args)
    : Distribution("InverseGamma",
                   {{"concentration", concentration, constraints::positive()},
                    {"rate", rate, constraints::positive()}},
                   {}, validate_args) {}

Tensor InverseGamma::entropy() const {
  const Tensor c = in_double(concentration());
  // c + log(r) + log Gamma(c) - (1 + c) digamma(c)
  return (in_double(rate()).log() + 0.5 * std::log(2 * kPi) - 1.5 * c.log() + stirling(c) -
          (1 + c) * digamma_less_log(c))
      .to(rate().scalar_type());
}

Tensor InverseGamma::mean() const {
  const Tensor infinite = concentration() <= 1;
  return (rate() / (concentration().masked_fill(infinite, 2) - 1)).masked_fill(infinite, kInfinity);
}

Tensor InverseGamma::variance() const {
  const Tensor infinite = concentration() <= 2;
  const Tensor c = concentration().masked_fill(infinite, 3);
  return ((rate() / (c - 1)).square() / (c - 2)).masked_fill(infinite, kInfinity);
}

Tensor InverseGamma::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor c = in_double(concentration().expand(extended_shape(sample_shape)));
  const Tensor log_draw =
      implicit_draw(Family::kLogGamma, random.log_standard_gamma(c.detach()), c);
  return exp_draw(in_double(rate()).log() - log_draw, options());
}

Tensor InverseGamma::do_log_prob(const Tensor& value) const {
  const Tensor c = in_double(concentration());
  const Tensor r = in_double(rate());
  const Tensor x = in_double(value);
  return (log_poisson_term(c, r / x, r.log() - x.log()) + c.log() - x.log())
      .to(at::result_type(value, rate()));
}

// X <= x where the gamma-distributed rate / X is at least rate / x.

Tensor InverseGamma::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor InverseGamma::do_log_cdf(const Tensor& value) const {
  return tail(Family::kLogGamma, Tail::kLogSurvival,
              in_double(rate()).log() - in_double(value).log(), concentration());
}

Tensor InverseGamma::do_log_survival(const Tensor& value) const {
  return tail(Family::kLogGamma, Tail::kLogCdf, in_double(rate()).log() - in_double(value).log(),
              concentration());
}

}  // namespace partita::distributions
