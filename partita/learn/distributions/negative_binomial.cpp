// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/negative_binomial.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/count_sums.hpp"
#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

std::vector<Argument> arguments_of(const TensorOrNumber& total_count,
                                   const ProbsOrLogits& parameter) {
  return counted_arguments(
      total_count, constraints::nonnegative(), parameter,
      {"a number in [0, 1)", 0, false, [](const Tensor& p) { return (p >= 0).logical_and(p < 1); }},
      {"a number < +inf", 0, false, [](const Tensor& x) { return x < kInfinity; }});
}

/// P(X > k) = P(B <= probs) of B ~ Beta(k + 1, r), and nothing is above 0 if r = 0.
Tensor tail_of_beta(Tail which, const Tensor& value, const Tensor& total_count, const Coin& coin) {
  const Tensor none = total_count == 0;
  return beta_tail(which, coin, in_double(value) + 1, in_double(total_count).masked_fill(none, 1))
      .masked_fill(none, which == Tail::kLogCdf ? -kInfinity : 0)
      .to(at::result_type(value, total_count));
}

}  // namespace

NegativeBinomial::NegativeBinomial(const TensorOrNumber& total_count,
                                   const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("NegativeBinomial", arguments_of(total_count, parameter), {}, validate_args),
      is_logits_(parameter.is_logits()) {}

Coin NegativeBinomial::coin() const { return {parameter(1), is_logits_}; }
Tensor NegativeBinomial::probs() const { return coin().probs(); }
Tensor NegativeBinomial::logits() const { return coin().logits(); }

Tensor NegativeBinomial::entropy() const {
  const Tensor p = in_double(parameter(1));
  const NegativeBinomial wide(in_double(total_count()),
                              is_logits_ ? ProbsOrLogits(Logits(p)) : ProbsOrLogits(p), false);
  const Tensor mean = wide.mean();
  // Counts fall by a factor of probs each, in the end.
  const CountNodes nodes =
      count_nodes(mean, wide.variance().sqrt(), -wide.coin().log_probs().reciprocal(),
                  at::full_like(mean, kInfinity));
  return entropy_at(nodes, wide.do_log_prob(nodes.at)).to(total_count().scalar_type());
}

Tensor NegativeBinomial::mean() const { return total_count() * coin().odds(); }

Tensor NegativeBinomial::mode() const {
  return ((total_count() - 1) * coin().odds()).floor().masked_fill(total_count() <= 1, 0);
}

Tensor NegativeBinomial::variance() const { return mean() / coin().failure_probs(); }

Tensor NegativeBinomial::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // A Poisson whose rate is a Gamma; the latter from its own stream, so that where the former
  // begins does not depend on the number of draws.
  const Shape shape = extended_shape(sample_shape);
  const Tensor log_gamma = Random(random.fork()).log_standard_gamma(total_count().expand(shape));
  return finite_draw(random.poisson(exp_draw(log_gamma + coin().logits(), options())), options());
}

Tensor NegativeBinomial::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor NegativeBinomial::do_log_cdf(const Tensor& value) const {
  return tail_of_beta(Tail::kLogSurvival, value, total_count(), coin());
}

Tensor NegativeBinomial::do_log_survival(const Tensor& value) const {
  return tail_of_beta(Tail::kLogCdf, value, total_count(), coin());
}

Tensor NegativeBinomial::do_log_prob(const Tensor& value) const {
  // total_count = 0 is a point mass at 0; lgamma(0) is infinite.
  const Tensor none = total_count() == 0;
  const Tensor r = in_double(total_count()).masked_fill(none, 1);
  const Tensor k = in_double(value);
  const Coin wide{in_double(parameter(1)), is_logits_};
  const Tensor simple = (k == 0).logical_or(k == kInfinity).logical_or(wide.is_certain());
  const Coin coin = wide.where_not(simple);
  const Tensor chosen = k.masked_fill(simple, 1);
  // Of r + k tosses the last is a failure.
  const Tensor log_p = at::where(
      simple, wide.log_prob(k, r),
      log_binomial_term(chosen, r, coin.probs(), coin.log_probs(), coin.log_failure_probs()) +
          r.log() - (r + chosen).log());
  const Tensor point = at::zeros_like(k).masked_fill(k != 0, -kInfinity);
  return at::where(none, point, log_p).to(at::result_type(value, total_count()));
}

}  // namespace partita::distributions
