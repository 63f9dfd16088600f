// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/poisson.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/internal/count_sums.hpp"
#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Poisson::Poisson(const TensorOrNumber& rate, bool validate_args)
    : Distribution("Poisson", {{"rate", rate, constraints::nonnegative()}}, {}, validate_args) {}

Tensor Poisson::entropy() const {
  const Poisson wide(in_double(rate()), false);
  const CountNodes nodes = count_nodes(wide.rate(), wide.rate().sqrt(), at::ones_like(wide.rate()),
                                       at::full_like(wide.rate(), kInfinity));
  return entropy_at(nodes, wide.do_log_prob(nodes.at)).to(rate().scalar_type());
}

Tensor Poisson::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return finite_draw(random.poisson(rate().expand(extended_shape(sample_shape))), {rate()});
}

Tensor Poisson::do_log_prob(const Tensor& value) const {
  const Tensor own = unexpanded(rate());
  const at::ScalarType type = log_gamma_type({value, own});
  const Tensor k = expanded_with(value, rate()).to(type);
  const Tensor r = own.to(type);
  const at::ScalarType result = at::result_type(value, rate());
  if (type == at::kFloat) {
    Tensor log_weight = all_at_least(r, smallest_normal(type))
                            ? at::addcmul(-r, k, r.log())
                            : times(k, log_or_minus_infinity(r)) - r;
    return log_weight.sub_(at::lgamma(k + 1)).to(result);
  }
  const Tensor none = k == 0;
  const Tensor endless = k == kInfinity;
  const Tensor counted = k.masked_fill(none.logical_or(endless), 1);
  return at::where(none, -r, log_poisson_term(counted, r, log_or_minus_infinity(r)))
      .masked_fill(endless, -kInfinity)
      .to(result);
}

// P(X <= k) = P(G > rate) of G ~ Gamma(k + 1, 1) (DLMF 8.4.10). At rate 0 X is 0.

Tensor Poisson::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor Poisson::do_log_cdf(const Tensor& value) const {
  return Gamma(value + 1, at::ones({}, options()), /*validate_args=*/false).log_survival(rate());
}

Tensor Poisson::do_log_survival(const Tensor& value) const {
  return Gamma(value + 1, at::ones({}, options()), /*validate_args=*/false).log_cdf(rate());
}

}  // namespace partita::distributions
