// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/choice.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

std::vector<Argument> weights_and_temperature(const TensorOrNumber& temperature,
                                              const ProbsOrLogits& parameter) {
  return {parameter.argument(constraints::simplex(), constraints::logits()),
          temperature_argument(temperature)};
}

/// The largest |mean| of a distribution's weights; not finite if a category is absent.
double mean_size(const Tensor& weights) {
  return weights.numel() == 0 ? 0 : weights.detach().mean(-1).abs().max().item<double>();
}

}  // namespace

ExpRelaxedCategorical::ExpRelaxedCategorical(const TensorOrNumber& temperature,
                                             const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("ExpRelaxedCategorical", weights_and_temperature(temperature, parameter),
                   {categories_of(parameter.value())}, validate_args),
      is_logits_(parameter.is_logits()) {}

Tensor ExpRelaxedCategorical::log_weights() const {
  return is_logits_ ? parameter(0) : log_or_minus_infinity(parameter(0));
}

Tensor ExpRelaxedCategorical::probs() const {
  return is_logits_ ? at::softmax(parameter(0), -1) : parameter(0);
}

Tensor ExpRelaxedCategorical::logits() const { return at::log_softmax(log_weights(), -1); }

Tensor ExpRelaxedCategorical::scores(IntArrayRef sample_shape, const Random& random) const {
  const Tensor weights = log_weights();
  // A softmax ignores the constant, but division by a small temperature magnifies the rounding of
  // scores that are far from 0.
  Tensor perturbed = random.gumbel(extended_shape(sample_shape), options()).add_(weights);
  if (!all_at_least(temperature(), 1e-10)) {
    // A score over a tiny temperature is finite only in double; so is its derivative.
    const Tensor absent = weights == -kInfinity;
    const Tensor most = perturbed.detach().amax(-1, true);
    const Tensor below = in_double((perturbed - most).masked_fill(absent, 0));
    return (below / in_double(temperature()).unsqueeze(-1))
        .clamp_min(-largest_number(perturbed.scalar_type()) / 4)
        .masked_fill(absent, -kInfinity)
        .to(perturbed.scalar_type());
  }
  if (all_finite(weights)) {
    return perturbed.sub_(perturbed.detach().amax(-1, true)).div_(temperature().unsqueeze(-1));
  }
  const Tensor absent = weights == -kInfinity;
  const Tensor largest = perturbed.detach().amax(-1, true);
  return ((perturbed.masked_fill(absent, 0) - largest) / temperature().unsqueeze(-1))
      .masked_fill(absent, -kInfinity);
}

Tensor ExpRelaxedCategorical::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return at::log_softmax(scores(sample_shape, random), -1);
}

Tensor ExpRelaxedCategorical::log_density(const Tensor& finite, double offset) const {
  Tensor weights = log_weights();
  // What all logits have in common cancels below, at the cost of digits if it is large.
  constexpr double kLarge = 64;
  if (!(offset < kLarge)) weights = weights - weights.detach().amax(-1, true);
  // So does a constant in all values, times the temperature.
  const bool is_hot = !all_at_most(temperature(), kLarge);
  const Tensor centered = is_hot ? finite - finite.detach().amax(-1, true) : finite;
  const Tensor shifted = at::addcmul(weights, temperature().unsqueeze(-1), centered, -1);
  if (std::isfinite(offset)) {
    const auto k = static_cast<double>(weights.size(-1));
    return (shifted.sum(-1) - k * log_sum_exp(shifted)) +
           (std::lgamma(k) + (k - 1) * temperature().log());
  }
  const Tensor absent = weights == -kInfinity;
  const Tensor count = weights.size(-1) - absent.sum(-1).to(weights.scalar_type());
  return shifted.masked_fill(absent, 0).sum(-1) - count * log_sum_exp(shifted) + count.lgamma() +
         (count - 1) * temperature().log();
}

Tensor ExpRelaxedCategorical::do_log_prob(const Tensor& value) const {
  const Tensor weights = log_weights();
  const double offset = mean_size(weights);
  if (std::isfinite(offset) && all_finite(value)) return log_density(value, offset);
  const Tensor at_end = value == -kInfinity;
  return log_density(value.masked_fill(at_end, 0), offset)
      .masked_fill(((weights == -kInfinity) != at_end).any(-1), -kInfinity);
}

RelaxedOneHotCategorical::RelaxedOneHotCategorical(const TensorOrNumber& temperature,
                                                   const ProbsOrLogits& parameter,
                                                   bool validate_args)
    : Distribution("RelaxedOneHotCategorical", weights_and_temperature(temperature, parameter),
                   {categories_of(parameter.value())}, validate_args),
      is_logits_(parameter.is_logits()) {}

ExpRelaxedCategorical RelaxedOneHotCategorical::base_dist() const {
  return {temperature(),
          is_logits_ ? ProbsOrLogits(Logits(parameter(0))) : ProbsOrLogits(parameter(0)), false};
}

Tensor RelaxedOneHotCategorical::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return at::softmax(base_dist().scores(sample_shape, random), -1);
}

Tensor RelaxedOneHotCategorical::do_log_prob(const Tensor& value) const {
  const ExpRelaxedCategorical base = base_dist();
  const double least = smallest_normal(value.scalar_type());
  const Tensor log_value = all_at_least(value, least) ? value.log() : value.clamp_min(least).log_();
  const Tensor weights = base.log_weights();
  const double offset = mean_size(weights);
  const Tensor density = base.log_density(log_value, offset);
  if (std::isfinite(offset)) return density - log_value.sum(-1);
  const Tensor absent = weights == -kInfinity;
  return (density - log_value.masked_fill(absent, 0).sum(-1))
      .masked_fill(absent.logical_and(value != 0).any(-1), -kInfinity);
}

}  // namespace partita::distributions
