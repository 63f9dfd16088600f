// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/geometric.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

Constraint success_probs() {
  return {"a number in (0, 1]", 0, false,
          [](const Tensor& p) { return (p > 0).logical_and(p <= 1); }};
}

Constraint success_logits() {
  return {"a number > -inf", 0, false,
          [](const Tensor& x) { return x > -std::numeric_limits<double>::infinity(); }};
}

}  // namespace

Geometric::Geometric(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("Geometric", {parameter.argument(success_probs(), success_logits())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Coin Geometric::coin() const { return {parameter(0), is_logits_}; }
Tensor Geometric::probs() const { return coin().probs(); }
Tensor Geometric::logits() const { return coin().logits(); }

Tensor Geometric::entropy() const {
  // The entropy of one toss, times the expected number of tosses.
  const Coin c = coin();
  const Tensor tails = -times(mean(), c.log_failure_probs());
  // Their part tends to 1 where the mean overflows.
  return at::where(c.probs() < 1e-30, at::ones({}, tails.options()), tails) - c.log_probs();
}

Tensor Geometric::mean() const {
  return is_logits_ ? (-parameter(0)).exp() : (1 - parameter(0)) / parameter(0);
}

Tensor Geometric::mode() const { return at::zeros(batch_shape(), options()); }

Tensor Geometric::variance() const { return mean() / probs(); }

Tensor Geometric::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // P(floor(E / l) >= k) = P(E >= k l) = e^(-k l) = (1 - p)^k.
  return finite_draw((random.exponential(extended_shape(sample_shape), options()) /
                      coin().log_failure_probs().abs())
                         .floor(),
                     options());
}

Tensor Geometric::do_log_prob(const Tensor& value) const {
  const Tensor endless = value == std::numeric_limits<double>::infinity();
  return coin()
      .log_prob(at::ones({}, options()), value.masked_fill(endless, 0))
      .masked_fill(endless, -std::numeric_limits<double>::infinity());
}

Tensor Geometric::do_cdf(const Tensor& value) const {
  return one_minus_exp(do_log_survival(value));
}

Tensor Geometric::do_log_cdf(const Tensor& value) const { return log1mexp(do_log_survival(value)); }

Tensor Geometric::do_log_survival(const Tensor& value) const {
  return (value + 1) * coin().log_failure_probs();
}

}  // namespace partita::distributions
