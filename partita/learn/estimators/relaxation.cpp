// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/relaxation.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// The value of `hard`, and the gradient of `soft`.
Tensor straight_through(const Tensor& hard, const Tensor& soft) {
  return hard + (soft - soft.detach());
}

/// For each row, with a dimension for each of the event's.
/// @throws InvalidArgument if one is not > 0
Tensor checked(const TensorOrNumber& given, const at::TensorOptions& options,
               const Distribution& distribution, const char* name) {
  const Tensor temperature = given.tensor(options);
  if (!(temperature > 0).all().item<bool>()) {
    throw InvalidArgument("temperature", fmt::format("{}: expected a number > 0, got {}", name,
                                                     temperature.min().item<double>()));
  }
  return unsqueeze_event(temperature, distribution);
}

/// P(each element is 1), as the distribution has it: with a gradient at 0 and 1, too. Undefined for
/// any but StraightThrough's distributions.
Tensor probs_of(const Distribution& distribution) {
  const Distribution& base = base_of(distribution);
  if (const auto* bits = dynamic_cast<const distributions::Bernoulli*>(&base)) return bits->probs();
  if (const auto* sets = dynamic_cast<const distributions::Subset*>(&base)) return sets->mean();
  const auto* vectors = dynamic_cast<const distributions::OneHotCategorical*>(&base);
  return vectors == nullptr ? Tensor() : vectors->probs();
}

/// The same of logits divided by the temperature.
Tensor probs_at(const Tensor& temperature, const Distribution& distribution) {
  if (const auto* sets = dynamic_cast<const distributions::Subset*>(&base_of(distribution))) {
    return distributions::Subset(distributions::Logits(sets->logits() / temperature), sets->k())
        .mean();
  }
  const auto variables = DiscreteVariables::of(distribution);
  return variables->relaxed(variables->logits, temperature);
}

/// The mean of `inner` relaxed samples whose hard one is `hard`. Their noise is held: the Jacobian
/// is that of softmax((logits + G) / temperature) by the logits.
Tensor mean_relaxed(const DiscreteVariables& variables, const Tensor& hard,
                    const Tensor& temperature, std::int64_t inner, const Random& random) {
  Tensor mean = at::zeros_like(hard);
  for (std::int64_t k = 0; k < inner; ++k) {
    const Tensor given = variables.perturbed_given(hard, random).detach();
    const Tensor perturbed = straight_through(given, variables.logits);
    mean = mean + variables.relaxed(perturbed, temperature) / static_cast<double>(inner);
  }
  return mean;
}

/// `variables` with the logits of these probabilities, whose gradient is passed on to its own.
DiscreteVariables at_probs(const DiscreteVariables& variables, const Tensor& probs) {
  const Tensor logits = variables.one_hot ? probs.log() : at::logit(probs);
  return {straight_through(logits.clamp(-kCertain, kCertain), variables.logits), variables.one_hot};
}

}  // namespace

Relaxation::Relaxation(const char* name, std::int64_t samples, TensorOrNumber temperature)
    : Estimator(name, samples), temperature_(std::move(temperature)) {}

GradientEstimate Relaxation::estimate(const Distribution& distribution, const Function& f,
                                      const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const Tensor temperature =
      checked(temperature_, variables->logits.options(), distribution, name());
  const Tensor relaxed = relax(*variables, temperature, random);
  const Tensor mean = evaluate(f, relaxed, distribution).mean(0);
  return {mean, mean.detach()};
}

Concrete::Concrete(RelaxationOptions options)
    : Relaxation("Concrete", options.samples, std::move(options.temperature)) {}

Tensor Concrete::relax(const DiscreteVariables& variables, const Tensor& temperature,
                       const Random& random) const {
  return variables.relaxed(variables.perturbed({samples()}, random), temperature);
}

StraightThroughGumbel::StraightThroughGumbel(RelaxationOptions options)
    : Relaxation("StraightThroughGumbel", options.samples, std::move(options.temperature)) {}

Tensor StraightThroughGumbel::relax(const DiscreteVariables& variables, const Tensor& temperature,
                                    const Random& random) const {
  const Tensor perturbed = variables.perturbed({samples()}, random);
  return straight_through(variables.hard(perturbed), variables.relaxed(perturbed, temperature));
}

GumbelRao::GumbelRao(GumbelRaoOptions options)
    : Relaxation("GumbelRao", options.samples, std::move(options.temperature)),
      inner_(options.inner) {
  check_at_least("inner", inner_, 1);
}

Tensor GumbelRao::relax(const DiscreteVariables& variables, const Tensor& temperature,
                        const Random& random) const {
  const Tensor hard = variables.hard(variables.perturbed({samples()}, random));
  return straight_through(hard, mean_relaxed(variables, hard, temperature, inner_, random));
}

ReinMax::ReinMax(ReinMaxOptions options)
    : Relaxation("ReinMax", options.samples, std::move(options.temperature)) {}

Tensor ReinMax::relax(const DiscreteVariables& variables, const Tensor& temperature,
                      const Random& random) const {
  const Tensor hard = variables.hard(variables.perturbed({samples()}, random));
  const Tensor middle = ((hard + variables.relaxed(variables.logits, temperature)) / 2).detach();
  const Tensor q = at_probs(variables, middle).probs();
  return straight_through(hard, 2 * q - variables.probs() / 2);
}

ReinMaxRao::ReinMaxRao(ReinMaxRaoOptions options)
    : Relaxation("ReinMaxRao", options.samples, std::move(options.temperature)),
      inner_(options.inner) {
  check_at_least("inner", inner_, 1);
}

Tensor ReinMaxRao::relax(const DiscreteVariables& variables, const Tensor& temperature,
                         const Random& random) const {
  const Tensor hard = variables.hard(variables.perturbed({samples()}, random));
  const Tensor middle = ((hard + variables.probs()) / 2).detach();
  const Tensor soft = mean_relaxed(at_probs(variables, middle), hard, temperature, inner_, random);
  return straight_through(hard, 2 * soft - variables.probs() / 2);
}

StraightThrough::StraightThrough(StraightThroughOptions options)
    : Estimator("StraightThrough", options.samples), temperature_(std::move(options.temperature)) {}

GradientEstimate StraightThrough::estimate(const Distribution& distribution, const Function& f,
                                           const Random& random) {
  const Tensor probs = probs_of(distribution);
  if (!probs.defined()) {
    does_not_fit(distribution, "Bernoulli, OneHotCategorical, Subset or an Independent of one");
  }
  const Tensor temperature = checked(temperature_, probs.options(), distribution, name());
  const bool decoupled = (temperature != 1).any().item<bool>();
  const Tensor soft = decoupled ? probs_at(temperature, distribution) : probs;
  const Tensor hard = straight_through(distribution.sample({samples()}, random), soft);
  const Tensor mean = evaluate(f, hard, distribution).mean(0);
  return {mean, mean.detach()};
}

}  // namespace partita::estimators
