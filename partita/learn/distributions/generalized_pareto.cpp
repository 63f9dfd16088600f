// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/generalized_pareto.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/extreme.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

GeneralizedPareto::GeneralizedPareto(const TensorOrNumber& loc, const TensorOrNumber& scale,
                                     const TensorOrNumber& concentration, bool validate_args)
    : Distribution("GeneralizedPareto",
                   {{"loc", loc, constraints::real()},
                    {"scale", scale, constraints::positive()},
                    {"concentration", concentration, constraints::real()}},
                   {}, validate_args) {}

Tensor GeneralizedPareto::upper_end() const {
  const Tensor bounded = concentration() < 0;
  return (loc() - scale() / concentration().masked_fill(bounded.logical_not(), -1))
      .masked_fill(bounded.logical_not(), kInfinity);
}

Constraint GeneralizedPareto::support() const {
  return constraints::interval(loc(), upper_end(), "[loc, loc - scale / concentration]");
}

Tensor GeneralizedPareto::mean() const {
  const Tensor infinite = concentration() >= 1;
  return (loc() + scale() / (1 - concentration().masked_fill(infinite, 0)))
      .masked_fill(infinite, kInfinity);
}

Tensor GeneralizedPareto::mode() const {
  const Tensor& c = concentration();
  return at::where(c < -1, upper_end(), loc())
      .masked_fill(c == -1, std::numeric_limits<double>::quiet_NaN());
}

Tensor GeneralizedPareto::variance() const {
  const Tensor infinite = concentration() >= 0.5;
  const Tensor c = concentration().masked_fill(infinite, 0);
  return ((scale() / (1 - c)).square() / (1 - 2 * c)).masked_fill(infinite, kInfinity);
}

Tensor GeneralizedPareto::from_exponential(const Tensor& exponential) const {
  return at::minimum(loc() + scale() * expm1_over(exponential, concentration()), upper_end());
}

Tensor GeneralizedPareto::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor noise = random.exponential(extended_shape(sample_shape), options());
  return finite_draw(from_exponential(without_overflow(noise, scale(), concentration())),
                     options());
}

Tensor GeneralizedPareto::do_log_prob(const Tensor& value) const {
  const Tensor c = concentration();
  const Tensor z = below_end((value - loc()) / scale(), c, 2 * epsilon(value.scalar_type()));
  return -scale().log() - (1 + c) * log1p_over(z, c);
}

Tensor GeneralizedPareto::do_cdf(const Tensor& value) const {
  return one_minus_exp(do_log_survival(value));
}

Tensor GeneralizedPareto::do_log_cdf(const Tensor& value) const {
  return log1mexp(do_log_survival(value));
}

Tensor GeneralizedPareto::do_log_survival(const Tensor& value) const {
  return -log1p_over(below_end((value - loc()) / scale(), concentration(), 0), concentration());
}

Tensor GeneralizedPareto::do_icdf(const Tensor& probability) const {
  return from_exponential(-at::log1p(-probability));
}

Tensor GeneralizedPareto::do_isf(const Tensor& probability) const {
  return from_exponential(-probability.log());
}

}  // namespace partita::distributions
