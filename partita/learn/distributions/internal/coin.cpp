#include "partita/learn/distributions/internal/coin.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/numeric.hpp"

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

Tensor Coin::log_prob(const Tensor& successes, const Tensor& failures) const {
  return times(successes, log_probs()) + times(failures, log_failure_probs());
}

std::vector<Argument> counted_arguments(const TensorOrNumber& total_count,
                                        const Constraint& total_count_constraint,
                                        const ProbsOrLogits& parameter, const Constraint& probs,
                                        const Constraint& logits) {
  TensorOrNumber count = total_count;
  if (!count.is_number()) {
    const TensorOrNumber& p = parameter.value();
    if (!p.is_number() && p.tensor().is_floating_point()) {
      count = count.tensor().to(p.tensor().options());
    } else if (!count.tensor().is_floating_point()) {
      count = count.tensor().to(at::typeMetaToScalarType(at::get_default_dtype()));
    }
  }
  return {{"total_count", count, total_count_constraint}, parameter.argument(probs, logits)};
}

Tensor log_choose(const Tensor& n, const Tensor& k) {
  return at::lgamma(n + 1) - at::lgamma(k + 1) - at::lgamma(n - k + 1);
}

Tensor beta_tail(Tail which, const Coin& coin, const Tensor& a, const Tensor& b) {
  const Tensor y = Coin{in_double(coin.parameter), coin.is_logits}.logits();
  const Tensor never = y == -kInfinity;
  const Tensor always = y == kInfinity;
  const bool lower = which == Tail::kLogCdf;
  return tail(Family::kLogitBeta, which, y.masked_fill(never.logical_or(always), 0), a, b)
      .masked_fill(never, lower ? -kInfinity : 0)
      .masked_fill(always, lower ? 0 : -kInfinity);
}

Tensor binomial_expectation(const Tensor& total_count, const Coin& coin,
                            const std::function<Tensor(const Tensor&, const Tensor&)>& f) {
  const Tensor n = in_double(total_count);
  const std::int64_t count = n.numel() == 0 ? 1 : 1 + n.max().item<std::int64_t>();
  Shape shape(static_cast<std::size_t>(n.dim()) + 1, 1);
  shape[0] = count;
  const Tensor values = at::arange(count, n.options()).view(shape);
  const Tensor k = at::minimum(values, n);
  const Tensor log_p =
      log_choose(n, k) + Coin{in_double(coin.parameter), coin.is_logits}.log_prob(k, n - k);
  const Tensor p = log_p.exp().masked_fill(values > n, 0);
  return (p * f(k, log_p)).sum(0).to(total_count.scalar_type());
}

}  // namespace partita::distributions
