// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/internal/discrete.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <string_view>

#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"

namespace partita::estimators {

const Distribution& base_of(const Distribution& distribution) {
  const auto* independent = dynamic_cast<const distributions::Independent*>(&distribution);
  return independent == nullptr ? distribution : base_of(independent->base_dist());
}

Tensor sum_event(const Tensor& value, const Distribution& distribution) {
  return sum_rightmost(value,
                       value.dim() - static_cast<std::int64_t>(distribution.batch_shape().size()));
}

Tensor unsqueeze_event(const Tensor& value, const Distribution& distribution) {
  return value.reshape(concatenate(value.sizes(), Shape(distribution.event_shape().size(), 1)));
}

std::optional<DiscreteVariables> DiscreteVariables::of(const Distribution& distribution) {
  const Distribution& base = base_of(distribution);
  if (const auto* bits = dynamic_cast<const distributions::Bernoulli*>(&base)) {
    const auto& [name, parameter, constraint] = bits->parameters()[0];
    constexpr double kMost = std::numeric_limits<double>::infinity();
    const bool is_logits = std::string_view(name) == "logits";
    const Tensor never = parameter == (is_logits ? -kMost : 0);
    const Tensor always = parameter == (is_logits ? kMost : 1);
    const Tensor inner = parameter.masked_fill(never.logical_or(always), 0.5);
    return DiscreteVariables{(is_logits ? inner : at::logit(inner))
                                 .masked_fill(never, -kCertain)
                                 .masked_fill(always, kCertain),
                             false};
  }
  if (const auto* vectors = dynamic_cast<const distributions::OneHotCategorical*>(&base)) {
    const Tensor logits = vectors->logits();
    return DiscreteVariables{logits.masked_fill(logits.isinf(), -kCertain), true};
  }
  return std::nullopt;
}

Tensor DiscreteVariables::perturbed(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = concatenate(sample_shape, logits.sizes());
  return logits + (one_hot ? random.gumbel(shape, logits.options())
                           : random.logistic(shape, logits.options()));
}

Tensor DiscreteVariables::hard(const Tensor& perturbed) const {
  if (!one_hot) return (perturbed > 0).to(perturbed.scalar_type());
  return partita::one_hot(perturbed.detach().argmax(-1), perturbed.size(-1), perturbed.options());
}

Tensor DiscreteVariables::perturbed_given(const Tensor& hard, const Random& random) const {
  const Tensor e = random.exponential(hard.sizes(), logits.options());
  if (one_hot) {
    // The largest of all is a standard Gumbel, -log e_k, whatever k is; each other is a Gumbel
    // below it, exp(-z) = e_i / p_i + e_k. (Tucker et al. 2017.)
    const Tensor largest = (hard * e).sum(-1, true).log();
    return -at::where(hard == 1, largest, at::logaddexp(e.log() - logits, largest));
  }
  // A bit of 1 has P(z > x | z > 0) = v with sigmoid(logit - x) = v sigmoid(logit), which solves
  // to x = softplus(logit + log(1 - v)) - log v; a bit of 0 is its mirror image. v = exp(-e).
  const Tensor sign = 2 * hard - 1;
  const Tensor log_rest = (-at::expm1(-e)).log();
  const Tensor x = sign * logits + log_rest;
  return sign * (at::logaddexp(x, at::zeros({}, x.options())) + e);
}

Tensor DiscreteVariables::relaxed(const Tensor& perturbed, const Tensor& temperature) const {
  const Tensor x = perturbed / temperature;
  return one_hot ? x.softmax(-1) : x.sigmoid();
}

}  // namespace partita::estimators
