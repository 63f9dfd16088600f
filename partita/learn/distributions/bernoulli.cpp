#include "partita/learn/distributions/bernoulli.hpp"

#include <ATen/ATen.h>

#include <limits>

namespace partita::distributions {

namespace {

std::vector<Parameter> parameters_of(const ProbsOrLogits& parameter) {
  const auto t = as_tensors({{parameter.name(), parameter.value()}});
  return {{parameter.name(), t[0],
           parameter.is_logits() ? constraints::real() : constraints::unit_interval()}};
}

/// weight * log_prob, where 0 * -inf is 0.
Tensor weighted(const Tensor& weight, const Tensor& log_prob) {
  return at::where(weight == 0, at::zeros({}, log_prob.options()), weight * log_prob);
}

}  // namespace

Bernoulli::Bernoulli(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("Bernoulli", parameters_of(parameter), {}, validate_args),
      is_logits_(parameter.is_logits()) {}

Tensor Bernoulli::probs() const { return is_logits_ ? parameter(0).sigmoid() : parameter(0); }
Tensor Bernoulli::logits() const { return is_logits_ ? parameter(0) : at::logit(parameter(0)); }

Tensor Bernoulli::entropy() const {
  const Tensor p = probs();
  return -weighted(p, do_log_prob(at::ones_like(p))) -
         weighted(1 - p, do_log_prob(at::zeros_like(p)));
}

Tensor Bernoulli::mode() const {
  const Tensor p = probs();
  const Tensor mode = (p > 0.5).to(p.scalar_type());
  return mode.masked_fill(p == 0.5, std::numeric_limits<double>::quiet_NaN());
}

Tensor Bernoulli::variance() const {
  const Tensor p = probs();
  return p * (1 - p);
}

Tensor Bernoulli::enumerate_support(bool expand) const {
  Shape shape(batch_shape().size() + 1, 1);
  shape[0] = 2;
  const Tensor values = at::arange(2, options()).view(shape);
  return expand ? values.expand(concatenate({2}, batch_shape())) : values;
}

Tensor Bernoulli::do_sample(IntArrayRef sample_shape, Random random) const {
  // 1 - e^-x = p at this x. An exponential keeps its relative precision near 0, which a uniform of
  // single precision does not: a probability of 1e-9 is still drawn once in 1e9.
  const Tensor threshold = is_logits_ ? at::softplus(parameter(0)) : -at::log1p(-parameter(0));
  return (random.exponential(extended_shape(sample_shape), options()) < threshold)
      .to(options().dtype());
}

Tensor Bernoulli::do_log_prob(const Tensor& value) const {
  if (!is_logits_) {
    return at::xlogy(value, parameter(0)) + at::special_xlog1py(1 - value, -parameter(0));
  }
  return weighted(value, at::log_sigmoid(parameter(0))) +
         weighted(1 - value, at::log_sigmoid(-parameter(0)));
}

}  // namespace partita::distributions
