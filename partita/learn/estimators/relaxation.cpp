// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/relaxation.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
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

/// The value of `hard`, and the gradient of `soft`.
Tensor straight_through(const Tensor& hard, const Tensor& soft) {
  return hard + (soft - soft.detach());
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
  const Tensor hard = straight_through(variables->hard(perturbed), relaxed);
  const Tensor mean = evaluate(f, hard, distribution).mean(0);
  return {mean, mean.detach()};
}

GumbelRao::GumbelRao(GumbelRaoOptions options)
    : Estimator("GumbelRao", options.samples),
      temperature_(std::move(options.temperature)),
      inner_(options.inner) {
  check_at_least("inner", inner_, 1);
}

GradientEstimate GumbelRao::estimate(const Distribution& distribution, const Function& f,
                                     const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor temperature = temperature_for(name(), temperature_, *variables, distribution);
  const Tensor hard = variables->hard(variables->perturbed({samples()}, random));
  Tensor mean_relaxed;
  for (std::int64_t k = 0; k < inner_; ++k) {
    // Its noise is held: the Jacobian is that of softmax((logits + G) / temperature) by the logits.
    const Tensor given = variables->perturbed_given(hard, random).detach();
    const Tensor perturbed = given + (variables->logits - variables->logits.detach());
    const Tensor relaxed = variables->relaxed(perturbed, temperature) / static_cast<double>(inner_);
    mean_relaxed = mean_relaxed.defined() ? mean_relaxed + relaxed : relaxed;
  }
  const Tensor mean = evaluate(f, straight_through(hard, mean_relaxed), distribution).mean(0);
  return {mean, mean.detach()};
}

StraightThrough::StraightThrough(StraightThroughOptions options)
    : Estimator("StraightThrough", options.samples) {}

GradientEstimate StraightThrough::estimate(const Distribution& distribution, const Function& f,
                                           const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor probs = probs_of(distribution);
  const Tensor hard = straight_through(distribution.sample({samples()}, random), probs);
  const Tensor mean = evaluate(f, hard, distribution).mean(0);
  return {mean, mean.detach()};
}

ReinMax::ReinMax(ReinMaxOptions options)
    : Estimator("ReinMax", options.samples), temperature_(std::move(options.temperature)) {}

GradientEstimate ReinMax::estimate(const Distribution& distribution, const Function& f,
                                   const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor temperature = temperature_for(name(), temperature_, *variables, distribution);
  const Tensor hard = variables->hard(variables->perturbed({samples()}, random));
  const Tensor logits = variables->logits;
  const Tensor middle = ((hard + variables->relaxed(logits, temperature)) / 2).detach();
  // Of the value `middle`, with the softmax's (or sigmoid's) gradient there by the logits.
  const Tensor of_middle = variables->one_hot ? middle.log() : at::logit(middle);
  const Tensor q =
      variables->relaxed(of_middle + (logits - logits.detach()), at::ones({}, logits.options()));
  const Tensor mean =
      evaluate(f, straight_through(hard, 2 * q - variables->probs() / 2), distribution).mean(0);
  return {mean, mean.detach()};
}

}  // namespace partita::estimators
