// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/rebar.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// Perturbed logits and their hard sample, with a leaf of logits for each sample, so that the
/// estimate of every sample can be told apart.
struct Coupled {
  Tensor leaf;         ///< [S, batch, event]
  Tensor free;         ///< z
  Tensor hard;         ///< b = H(z)
  Tensor conditional;  ///< z' given b
  Tensor score;        ///< the score of b
};

Coupled draw(const DiscreteVariables& variables, std::int64_t samples, const Random& random) {
  Tensor leaf = variables.logits.detach()
                    .expand(concatenate({samples}, variables.logits.sizes()))
                    .clone()
                    .set_requires_grad(true);
  const DiscreteVariables each{variables.one_hot ? leaf.log_softmax(-1) : leaf, variables.one_hot};
  const Tensor free = each.perturbed({}, random);
  const Tensor hard = each.hard(free);
  return {leaf, free, hard, each.perturbed_given(hard, random), each.score(hard).detach()};
}

/// The surrogate for values f(b), c(z) and c(z'), [S, batch], and a loss in `parameters` that
/// lowers the variance of the estimate. `argument` names the function that c is made of.
GradientEstimate controlled(const char* argument, const Coupled& draws, const Tensor& f,
                            const Tensor& free, const Tensor& conditional,
                            const DiscreteVariables& variables, const Distribution& distribution,
                            const std::vector<Tensor>& parameters) {
  const bool tune = !parameters.empty();
  Tensor path;
  if (free.requires_grad()) {
    path = torch::autograd::grad({(free - conditional).sum()}, {draws.leaf}, /*grad_outputs=*/{},
                                 /*retain_graph=*/true, /*create_graph=*/tune,
                                 /*allow_unused=*/true)[0];
  }
  if (!path.defined()) {
    throw InvalidArgument(argument, "expected a function that is differentiable in its samples");
  }
  const Tensor weight =
      unsqueeze_event(f.detach() - (tune ? conditional : conditional.detach()), distribution);
  const Tensor gradient = weight * draws.score + path;  // [S, batch, event]

  const Tensor mean = f.mean(0);
  const Tensor surrogate =
      mean + sum_event(gradient.detach().mean(0) * variables.logits, distribution);
  const Tensor second_moment = gradient.square().sum() / static_cast<double>(f.size(0));
  return {with_own_loss(surrogate, second_moment, parameters), mean.detach()};
}

}  // namespace

Rebar::Rebar(const RebarOptions& options)
    : Estimator("Rebar", options.samples), tune_(options.tune) {
  check_in("temperature", options.temperature, "(0, inf)");
  log_temperature_ = at::scalar_tensor(std::log(options.temperature), at::kDouble);
  scale_ = at::scalar_tensor(options.scale, at::kDouble);
  for (Tensor* parameter : {&log_temperature_, &scale_}) parameter->set_requires_grad(true);
}

std::vector<Tensor> Rebar::parameters() const {
  return tune_ ? std::vector<Tensor>{log_temperature_, scale_} : std::vector<Tensor>{};
}

double Rebar::temperature() const { return std::exp(log_temperature_.item<double>()); }
double Rebar::scale() const { return scale_.item<double>(); }

GradientEstimate Rebar::estimate(const Distribution& distribution, const Function& f,
                                 const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const at::AutoGradMode enable(true);
  const Coupled draws = draw(*variables, samples(), random);
  const Tensor temperature = log_temperature_.exp().to(draws.leaf.options());
  const Tensor relaxed = at::cat({variables->relaxed(draws.free, temperature),
                                  variables->relaxed(draws.conditional, temperature)});
  const std::vector<Tensor> control =
      (scale_.to(draws.leaf.options()) * evaluate(f, relaxed, distribution)).chunk(2);
  return controlled("f", draws, evaluate(f, draws.hard, distribution), control[0], control[1],
                    *variables, distribution, parameters());
}

Relax::Relax(RelaxOptions options)
    : Estimator("Relax", options.samples),
      control_variate_(std::move(options.control_variate)),
      parameters_(std::move(options.parameters)),
      temperature_(options.temperature) {
  if (temperature_) check_in("temperature", *temperature_, "(0, inf)");
  if (!control_variate_) throw InvalidArgument("control_variate", "Relax: expected a function");
}

GradientEstimate Relax::estimate(const Distribution& distribution, const Function& f,
                                 const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const at::AutoGradMode enable(true);
  const Coupled draws = draw(*variables, samples(), random);
  const Tensor perturbed = at::cat({draws.free, draws.conditional});
  Tensor both = evaluate(control_variate_, perturbed, distribution);
  if (temperature_) {
    const Tensor temperature = at::full({}, *temperature_, perturbed.options());
    both = both + evaluate(f, variables->relaxed(perturbed, temperature), distribution);
  }
  const std::vector<Tensor> control = both.chunk(2);
  return controlled("control_variate", draws, evaluate(f, draws.hard, distribution), control[0],
                    control[1], *variables, distribution, parameters_);
}

}  // namespace partita::estimators
