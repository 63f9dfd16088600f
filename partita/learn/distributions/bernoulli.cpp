#include "partita/learn/distributions/bernoulli.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/coin.hpp"

namespace partita::distributions {

Bernoulli::Bernoulli(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("Bernoulli",
                   {parameter.argument(constraints::unit_interval(), constraints::real())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Coin Bernoulli::coin() const { return {parameter(0), is_logits_}; }
Tensor Bernoulli::probs() const { return coin().probs(); }
Tensor Bernoulli::logits() const { return coin().logits(); }

Tensor Bernoulli::entropy() const { return -coin().log_prob(probs(), coin().failure_probs()); }

Tensor Bernoulli::mode() const {
  const Tensor p = probs();
  const Tensor mode = (p > 0.5).to(p.scalar_type());
  return mode.masked_fill(p == 0.5, std::numeric_limits<double>::quiet_NaN());
}

Tensor Bernoulli::variance() const { return probs() * coin().failure_probs(); }

Tensor Bernoulli::enumerate_support(bool expand) const {
  return over_batch(at::arange(2, options()), expand);
}

Tensor Bernoulli::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // 1 - e^-x = p at this x. An exponential keeps its relative precision near 0, which a uniform of
  // single precision does not: a probability of 1e-9 is still drawn once in 1e9.
  const Tensor threshold = -coin().log_failure_probs();
  return (random.exponential(extended_shape(sample_shape), options()) < threshold)
      .to(options().dtype());
}

Tensor Bernoulli::do_log_prob(const Tensor& value) const {
  if (!is_logits_) return coin().log_prob(value, 1 - value);
  // v log p + (1 - v) log(1 - p) = v z - max(z, 0) - log(1 + e^-|z|), whose first two terms are
  // exactly 0 or the logit that counts. With |z| as 2 max(z, 0) - z its gradient at 0 is right,
  // too.
  const double most = parameter(0).scalar_type() == at::kHalf ? 6e4 : 1e38;
  const Tensor z = parameter(0).clamp(-most, most);  // 0 * inf
  const Tensor positive = z.relu();
  const Tensor log_p = value * z - positive + at::log_sigmoid(2 * positive - z);
  return log_p.masked_fill(log_p <= -most, -std::numeric_limits<double>::infinity());
}

}  // namespace partita::distributions
