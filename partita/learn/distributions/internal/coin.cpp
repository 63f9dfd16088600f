// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/coin.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/count_sums.hpp"
#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

Tensor Coin::probs() const { return is_logits ? parameter.sigmoid() : parameter; }

Tensor Coin::logits() const { return is_logits ? parameter : at::logit(parameter); }

Tensor Coin::failure_probs() const { return is_logits ? (-parameter).sigmoid() : 1 - parameter; }

Tensor Coin::odds() const { return is_logits ? parameter.exp() : parameter / (1 - parameter); }

Tensor Coin::log_probs() const {
  return is_logits ? at::log_sigmoid(parameter) : log_or_minus_infinity(parameter);
}

Tensor Coin::log_failure_probs() const {
  if (is_logits) return at::log_sigmoid(-parameter);
  const Tensor impossible = parameter == 1;
  return at::log1p(-parameter.masked_fill(impossible, 0))
      .masked_fill(impossible, -std::numeric_limits<double>::infinity());
}

Tensor Coin::is_certain() const {
  return is_logits ? parameter.isinf() : (parameter == 0).logical_or(parameter == 1);
}

Coin Coin::where_not(const Tensor& replaced) const {
  return {in_double(parameter).masked_fill(replaced, 0.5), is_logits};
}

Tensor Coin::log_prob(const Tensor& successes, const Tensor& failures) const {
  return times(successes, log_probs()) + times(failures, log_failure_probs());
}

std::vector<Argument> counted_arguments(const TensorOrNumber& total_count,
                                        const Constraint& total_count_constraint,
                                        const ProbsOrLogits& parameter, const Constraint& probs,
                                        const Constraint& logits) {
  return {{"total_count", count_like(total_count, {{parameter.name(), parameter.value()}}),
           total_count_constraint},
          parameter.argument(probs, logits)};
}

TensorOrNumber count_like(const TensorOrNumber& total_count,
                          const std::vector<std::pair<const char*, TensorOrNumber>>& others) {
  if (total_count.is_number()) return total_count;
  const Tensor count = total_count.tensor();
  for (const auto& [name, other] : others) {
    if (!other.is_number() && other.tensor().is_floating_point()) {
      return count.to(other.tensor().options());
    }
  }
  return count.is_floating_point() ? count
                                   : count.to(at::typeMetaToScalarType(at::get_default_dtype()));
}

Tensor log_binomial(const Tensor& n, const Tensor& k, const Coin& coin) {
  // Where nothing is to be chosen, or one side is certain.
  const Tensor simple = (k == 0).logical_or(k == n).logical_or(coin.is_certain());
  const Coin fair = coin.where_not(simple);
  return at::where(simple, coin.log_prob(k, n - k),
                   log_binomial_term(k.masked_fill(simple, 1), (n - k).masked_fill(simple, 1),
                                     fair.probs(), fair.log_probs(), fair.log_failure_probs()));
}

Tensor log_choose(const Tensor& n, const Tensor& k) {
  const Tensor fewer = at::minimum(k, n - k);
  return log_rising(n - fewer + 1, fewer) - at::lgamma(fewer + 1);
}

Tensor beta_tail(Tail which, const Coin& coin, const Tensor& a, const Tensor& b) {
  const Coin wide{in_double(coin.parameter), coin.is_logits};
  const Tensor certain = wide.is_certain();
  const Tensor always = certain.logical_and(wide.parameter > 0);
  const Tensor never = certain.logical_and(always.logical_not());
  const bool lower = which == Tail::kLogCdf;
  return tail(Family::kLogitBeta, which, wide.where_not(certain).logits(), a, b)
      .masked_fill(never, lower ? -kInfinity : 0)
      .masked_fill(always, lower ? 0 : -kInfinity);
}

Tensor binomial_expectation(const Tensor& total_count, const Coin& coin,
                            const std::function<Tensor(const Tensor&, const Tensor&)>& f) {
  const Tensor n = in_double(total_count);
  const Coin wide{in_double(coin.parameter), coin.is_logits};
  const Tensor mean = n * wide.probs();
  const CountNodes nodes =
      count_nodes(mean, (mean * wide.failure_probs()).sqrt(), at::ones_like(mean), n);
  const Tensor k = at::minimum(nodes.at, n);
  const Tensor log_p = log_binomial(n, k, wide);
  return (nodes.weight * log_p.exp() * f(k, log_p)).sum(0).to(total_count.scalar_type());
}

}  // namespace partita::distributions
