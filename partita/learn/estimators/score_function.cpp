// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/score_function.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/zero_inflated.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

std::int64_t least_samples(const Baseline& baseline) {
  if (std::holds_alternative<baselines::ControlVariate>(baseline)) return 3;
  return std::holds_alternative<baselines::LeaveOneOut>(baseline) ? 2 : 1;
}

/// The parameters that require grad, of the distribution or what it is an Independent of.
std::vector<Tensor> learned_parameters(const Distribution& distribution) {
  std::vector<Tensor> learned;
  const Distribution& base = base_of(distribution);
  for (const distributions::Parameter& parameter : base.parameters()) {
    if (parameter.value.requires_grad()) learned.push_back(parameter.value);
  }
  if (const auto* inflated = dynamic_cast<const distributions::ZeroInflated*>(&base)) {
    for (Tensor& each : learned_parameters(inflated->base_dist())) learned.push_back(each);
  }
  return learned;
}

/// For each sample (first dimension), Cov(x, y) / Var(y) over the others; 0 where y does not vary.
/// Not by updating sums over all of them: its rounding would depend on the sample left out, and
/// where the others hardly vary, so would the slope.
Tensor slope_of_others(const Tensor& x, const Tensor& y) {
  std::vector<Tensor> slopes;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const auto others = [i](const Tensor& all) {
      return at::cat({all.narrow(0, 0, i), all.narrow(0, i + 1, all.size(0) - i - 1)});
    };
    const Tensor x_others = others(x);
    const Tensor y_others = others(y);
    const Tensor y_centered = y_others - y_others.mean(0, true);
    const Tensor covariance = (x_others * y_centered).mean(0);
    const Tensor variance = y_centered.square().mean(0);
    const bool is_double = y.scalar_type() == at::kDouble;
    const Tensor rounding = y_others.square().mean(0) * (is_double ? 1e-28 : 1e-12);
    slopes.push_back(
        at::where(variance > rounding, covariance / variance, at::zeros({}, y.options())));
  }
  return at::stack(slopes);
}

/// [samples, batch] -> as many dimensions as `like`, which has [samples, batch, ...].
Tensor unsqueeze_to(const Tensor& value, const Tensor& like) {
  return value.reshape(
      concatenate(value.sizes(), Shape(static_cast<std::size_t>(like.dim() - value.dim()), 1)));
}

}  // namespace

ScoreFunction::ScoreFunction(ScoreFunctionOptions options)
    : Estimator("ScoreFunction", options.samples, least_samples(options.baseline)),
      advantage_(std::move(options.baseline)) {}

GradientEstimate ScoreFunction::estimate(const Distribution& distribution, const Function& f,
                                         const Random& random) {
  const Tensor z = distribution.sample({samples()}, random);
  const Tensor values = evaluate(f, z, distribution);
  if (const auto* control = std::get_if<baselines::ControlVariate>(&advantage_.baseline())) {
    return with_control_variate(distribution, z, values, *control);
  }
  const auto [advantage, loss] = advantage_(values.detach(), 0);
  const Tensor surrogate = (values + advantage * distribution.log_prob(z)).mean(0);
  return {with_own_loss(surrogate, loss, parameters()), values.detach().mean(0)};
}

GradientEstimate ScoreFunction::with_control_variate(
    const Distribution& distribution, const Tensor& z, const Tensor& values,
    const baselines::ControlVariate& control) const {
  const Tensor h = control.function ? evaluate(control.function, z, distribution).detach()
                                    : at::ones_like(values);
  const std::vector<Tensor> parameters = learned_parameters(distribution);
  // A copy of the parameters for each sample tells the samples' scores apart.
  const auto each = distribution.expand(concatenate({samples()}, distribution.batch_shape()));
  const Tensor log_prob = each->log_prob(z);
  if (parameters.empty() && log_prob.requires_grad()) {
    does_not_fit(distribution, "for a control variate, a distribution with parameters of its own");
  }
  GradientEstimate estimate{values.mean(0), values.detach().mean(0)};
  if (parameters.empty()) return estimate;

  const auto scores =
      torch::autograd::grad({log_prob.sum()}, learned_parameters(*each), /*grad_outputs=*/{},
                            /*retain_graph=*/{}, /*create_graph=*/false,
                            /*allow_unused=*/true);
  for (const Tensor& score : scores) {
    if (score.defined()) continue;  // else computed from the parameter before it was repeated
    does_not_fit(
        distribution,
        "for a control variate, a distribution that computes nothing ahead from parameters "
        "that require grad");
  }
  const auto expected = control.expectation
                            ? torch::autograd::grad({control.expectation(distribution).sum()},
                                                    parameters, /*grad_outputs=*/{},
                                                    /*retain_graph=*/true, /*create_graph=*/false,
                                                    /*allow_unused=*/true)
                            : std::vector<Tensor>(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor f_score = unsqueeze_to(values.detach(), scores[i]) * scores[i];
    const Tensor h_score = unsqueeze_to(h, scores[i]) * scores[i];
    const Tensor a = slope_of_others(f_score, h_score);
    Tensor gradient = (f_score - a * h_score).mean(0);
    if (expected[i].defined()) gradient = gradient + a.mean(0) * expected[i];
    estimate.surrogate = estimate.surrogate + sum_event(gradient * parameters[i], distribution);
  }
  return estimate;
}

}  // namespace partita::estimators
