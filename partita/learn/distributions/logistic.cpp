// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/logistic.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Logistic::Logistic(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("Logistic",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor Logistic::variance() const { return scale().square() * (kPi * kPi / 3); }

Tensor Logistic::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(loc() + scale() * random.logistic(extended_shape(sample_shape), options()),
                     {loc(), scale()});
}

Tensor Logistic::do_log_prob(const Tensor& value) const {
  const Tensor z = (value - loc()) / scale();
  return at::log_sigmoid(z) + at::log_sigmoid(-z) - scale().log();
}

Tensor Logistic::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor Logistic::do_log_cdf(const Tensor& value) const {
  return at::log_sigmoid((value - loc()) / scale());
}

Tensor Logistic::do_log_survival(const Tensor& value) const {
  return at::log_sigmoid((loc() - value) / scale());
}

Tensor Logistic::do_icdf(const Tensor& probability) const {
  return loc() + scale() * at::logit(probability);
}

Tensor Logistic::do_isf(const Tensor& probability) const {
  return loc() - scale() * at::logit(probability);
}

}  // namespace partita::distributions
