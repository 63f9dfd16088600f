// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/binomial.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// P(X > k) = P(B <= probs) of B ~ Beta(k + 1, n - k), and nothing is above k = n.
Tensor tail_of_beta(Tail which, const Tensor& value, const Tensor& total_count, const Coin& coin) {
  const Tensor k = in_double(value);
  const Tensor all = k == total_count;
  return beta_tail(which, coin, k + 1, (total_count - k).masked_fill(all, 1))
      .masked_fill(all, which == Tail::kLogCdf ? -std::numeric_limits<double>::infinity() : 0)
      .to(at::result_type(value, total_count));
}

}  // namespace

Binomial::Binomial(const TensorOrNumber& total_count, const ProbsOrLogits& parameter,
                   bool validate_args)
    : Distribution("Binomial",
                   counted_arguments(total_count, constraints::nonnegative_integer(), parameter,
                                     constraints::unit_interval(), constraints::real()),
                   {}, validate_args),
      is_logits_(parameter.is_logits()) {}

Coin Binomial::coin() const { return {parameter(1), is_logits_}; }
Tensor Binomial::probs() const { return coin().probs(); }
Tensor Binomial::logits() const { return coin().logits(); }

Constraint Binomial::support() const {
  return constraints::integer_interval(at::zeros({}, options()), total_count(), "[0, total_count]");
}

Tensor Binomial::entropy() const {
  return -binomial_expectation(total_count(), coin(), [](const Tensor& /*k*/, const Tensor& log_p) {
    return log_p.masked_fill(log_p == -std::numeric_limits<double>::infinity(), 0);
  });
}

Tensor Binomial::mean() const { return total_count() * probs(); }

Tensor Binomial::mode() const {
  return at::minimum(((total_count() + 1) * probs()).floor(), total_count());
}

Tensor Binomial::variance() const { return mean() * coin().failure_probs(); }

bool Binomial::has_enumerate_support() const {
  return total_count().numel() > 0 && (total_count() == total_count().max()).all().item<bool>();
}

Tensor Binomial::enumerate_support(bool expand) const {
  if (!has_enumerate_support()) {
    unavailable("enumerate_support", "total_count differs over the batch");
  }
  const auto count = 1 + total_count().max().item<std::int64_t>();
  return over_batch(at::arange(count, options()), expand);
}

Tensor Binomial::do_sample(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = extended_shape(sample_shape);
  return random.binomial(total_count().expand(shape), probs().expand(shape));
}

Tensor Binomial::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor Binomial::do_log_cdf(const Tensor& value) const {
  return tail_of_beta(Tail::kLogSurvival, value, total_count(), coin());
}

Tensor Binomial::do_log_survival(const Tensor& value) const {
  return tail_of_beta(Tail::kLogCdf, value, total_count(), coin());
}

Tensor Binomial::do_log_prob(const Tensor& value) const {
  const Tensor log_p = log_binomial(in_double(total_count()), in_double(value),
                                    Coin{in_double(parameter(1)), is_logits_});
  return log_p.to(at::result_type(value, total_count()));
}

}  // namespace partita::distributions
