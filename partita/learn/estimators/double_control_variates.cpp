// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/double_control_variates.hpp"

#include <ATen/ATen.h>

#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// v times the derivative of the mean by the logits, which is symmetric.
Tensor times_jacobian(const Tensor& v, const Tensor& mean, bool one_hot) {
  return mean * (v - (one_hot ? (mean * v).sum(-1, /*keepdim=*/true) : mean * v));
}

}  // namespace

DoubleControlVariates::DoubleControlVariates(const DoubleControlVariatesOptions& options)
    : Estimator("DoubleControlVariates", options.samples, /*least=*/2),
      scale_(at::scalar_tensor(options.scale, at::kDouble).set_requires_grad(true)),
      tune_(options.tune) {}

std::vector<Tensor> DoubleControlVariates::parameters() const {
  return tune_ ? std::vector<Tensor>{scale_} : std::vector<Tensor>{};
}

double DoubleControlVariates::scale() const { return scale_.item<double>(); }

GradientEstimate DoubleControlVariates::estimate(const Distribution& distribution,
                                                 const Function& f, const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const at::AutoGradMode enable(true);
  const auto n = static_cast<double>(samples());
  const Tensor z = distribution.sample({samples()}, random).detach().set_requires_grad(true);
  const Tensor values = evaluate(f, z, distribution);
  const Tensor slope = slope_of(values, z);
  const Tensor others = (slope.sum(0) - slope) / (n - 1);
  const Tensor mu = variables->probs().detach();
  const Tensor score = z.detach() - mu;

  // Leave-one-out of values [samples, batch].
  const auto leave_one_out = [&](const Tensor& h) {
    const Tensor credit = (h - h.mean(0)) * (n / (n - 1));
    return (unsqueeze_event(credit, distribution) * score).mean(0);
  };
  const Tensor linear =
      sum_rightmost(others * score, static_cast<std::int64_t>(distribution.event_shape().size()));
  const Tensor second =
      leave_one_out(linear) - times_jacobian(slope.mean(0), mu, variables->one_hot);
  const Tensor gradient = leave_one_out(values.detach()) - scale_.to(second.options()) * second;

  const Tensor mean = values.mean(0);
  const Tensor surrogate = mean + sum_event(gradient.detach() * variables->logits, distribution);
  return {with_own_loss(surrogate, gradient.square().sum(), parameters()), mean.detach()};
}

}  // namespace partita::estimators
