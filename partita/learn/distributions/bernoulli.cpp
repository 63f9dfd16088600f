// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

#include "partita/learn/distributions/internal/coin.hpp"

namespace partita::distributions {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// v log p + (1 - v) log(1 - p) from the logit z, and its gradient, (v - p, z): one kernel each
/// over many bits (the pixels of images), where operators would make three.
struct LogProb : torch::autograd::Function<LogProb> {
  static Tensor forward(AutogradContext* ctx, const Tensor& logits, const Tensor& value) {
    // v z - max(z, 0) - log(1 + e^-|z|), whose first two terms are exactly 0 or the logit that
    // counts.
    Tensor log_p = at::addcmul(-logits.relu(), value, logits).add_(at::log_sigmoid(logits.abs()));
    // An infinite logit gives 0 * inf or inf - inf, which the sum of them reveals in one pass. On
    // other devices it would have to be waited for.
    const bool finite = logits.is_cpu() && std::isfinite(unexpanded(logits).sum().item<double>());
    if (!finite) {
      const double most = logits.scalar_type() == at::kHalf ? 6e4 : 1e38;
      const Tensor z = logits.clamp(-most, most);
      log_p = at::addcmul(-z.relu(), value, z).add_(at::log_sigmoid(z.abs()));
      log_p.masked_fill_(log_p <= -most, -kInfinity);
    }
    ctx->save_for_backward({logits, value, finite ? Tensor() : log_p});
    return log_p;
  }

  /// Made of operators, so that it has a gradient itself. What is impossible has none.
  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& logits = saved[0];
    const Tensor& value = saved[1];
    const bool finite = !saved[2].defined();
    const Tensor gradient =
        finite ? gradients[0] : gradients[0].masked_fill(saved[2] == -kInfinity, 0);
    Tensor of_value;
    if (value.requires_grad()) {
      const Tensor z = finite ? logits : logits.masked_fill(logits.isinf(), 0);
      of_value = at::sum_to(gradient * z, value.sizes());
    }
    return {at::sum_to(gradient * (value - logits.sigmoid()), logits.sizes()), of_value};
  }
};

}  // namespace

Bernoulli::Bernoulli(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("Bernoulli",
                   {parameter.argument(constraints::unit_interval(), constraints::real())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Coin Bernoulli::coin() const { return {parameter(0), is_logits_}; }
Tensor Bernoulli::probs() const { return coin().probs(); }
Tensor Bernoulli::logits() const { return coin().logits(); }

Tensor Bernoulli::entropy() const {
  // The slope of -p log p at p = 0 is infinite: a coin that is certain has none.
  const Tensor& own = parameter(0);
  const Coin c{is_logits_ ? own : own.masked_fill(own == 0, 0).masked_fill(own == 1, 1),
               is_logits_};
  return -c.log_prob(c.probs(), c.failure_probs());
}

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
  return LogProb::apply(parameter(0), value);
}

// Of any real number, at which 0 and 1 are the two steps.

Tensor Bernoulli::do_cdf(const Tensor& value) const {
  return coin().failure_probs().masked_fill(value < 0, 0).masked_fill(value >= 1, 1);
}

Tensor Bernoulli::do_log_cdf(const Tensor& value) const {
  return coin().log_failure_probs().masked_fill(value < 0, -kInfinity).masked_fill(value >= 1, 0);
}

Tensor Bernoulli::do_log_survival(const Tensor& value) const {
  return coin().log_probs().masked_fill(value < 0, 0).masked_fill(value >= 1, -kInfinity);
}

}  // namespace partita::distributions
