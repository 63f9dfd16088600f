// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/relaxation.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// [batch] -> [batch, 1 for each event dimension], checked.
Tensor temperature_for(const char* name, const TensorOrNumber& argument,
                       const DiscreteVariables& variables, const Distribution& distribution) {
  const Tensor temperature = argument.tensor(variables.logits.options());
  if (!(temperature > 0).all().item<bool>()) {
    throw InvalidArgument("temperature", fmt::format("{}: expected a number > 0, got {}", name,
                                                     temperature.min().item<double>()));
  }
  return unsqueeze_event(temperature, distribution);
}

}  // namespace

Concrete::Concrete(RelaxationOptions options)
    : Estimator("Concrete", options.samples), temperature_(std::move(options.temperature)) {}

GradientEstimate Concrete::estimate(const Distribution& distribution, const Function& f,
                                    const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor temperature = temperature_for(name(), temperature_, *variables, distribution);
  const Tensor relaxed = variables->relaxed(variables->perturbed({samples()}, random), temperature);
  const Tensor mean = evaluate(f, relaxed, distribution).mean(0);
  return {mean, mean.detach()};
}

StraightThroughGumbel::StraightThroughGumbel(RelaxationOptions options)
    : Estimator("StraightThroughGumbel", options.samples),
      temperature_(std::move(options.temperature)) {}

GradientEstimate StraightThroughGumbel::estimate(const Distribution& distribution,
                                                 const Function& f, const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor temperature = temperature_for(name(), temperature_, *variables, distribution);
  const Tensor perturbed = variables->perturbed({samples()}, random);
  const Tensor relaxed = variables->relaxed(perturbed, temperature);
  const Tensor hard = variables->hard(perturbed) + (relaxed - relaxed.detach());
  const Tensor mean = evaluate(f, hard, distribution).mean(0);
  return {mean, mean.detach()};
}

StraightThrough::StraightThrough(StraightThroughOptions options)
    : Estimator("StraightThrough", options.samples) {}

GradientEstimate StraightThrough::estimate(const Distribution& distribution, const Function& f,
                                           const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor probs = probs_of(distribution);
  const Tensor hard = distribution.sample({samples()}, random) + (probs - probs.detach());
  const Tensor mean = evaluate(f, hard, distribution).mean(0);
  return {mean, mean.detach()};
}

}  // namespace partita::estimators
