// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/estimator.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "partita/base/error.hpp"

namespace partita::estimators {

Estimator::Estimator(const char* name, std::int64_t samples, std::int64_t least)
    : name_(name), samples_(samples) {
  if (samples < least) {
    throw InvalidArgument("samples",
                          fmt::format("{}: expected {} or more, got {}", name, least, samples));
  }
}

GradientEstimate Estimator::operator()(const Distribution& distribution, const Function& f,
                                       const Random& random) {
  const IntArrayRef batch = distribution.batch_shape();
  const bool is_empty = std::find(batch.begin(), batch.end(), 0) != batch.end();
  return is_empty ? nothing(distribution, f, random) : estimate(distribution, f, random);
}

Tensor Estimator::evaluate(const Function& f, const Tensor& samples,
                           const Distribution& distribution) const {
  const Tensor values = f(samples);
  const Shape expected = concatenate({samples.size(0)}, distribution.batch_shape());
  if (!values.defined() || values.sizes() != IntArrayRef(expected)) {
    throw InvalidArgument(
        "f", fmt::format("{}: expected a result of shape {} (samples, batch), got {}", name_,
                         to_string(expected),
                         values.defined() ? to_string(values.sizes()) : "an undefined tensor"));
  }
  return values;
}

Tensor Estimator::slope_of(const Tensor& values, const Tensor& samples) const {
  Tensor slope;
  if (values.requires_grad()) {
    slope = torch::autograd::grad({values.sum()}, {samples}, {}, /*retain_graph=*/true,
                                  /*create_graph=*/false, /*allow_unused=*/true)[0];
  }
  if (slope.defined()) return slope;
  throw InvalidArgument(
      "f", fmt::format("{}: expected a differentiable function of the samples", name_));
}

GradientEstimate Estimator::nothing(const Distribution& distribution, const Function& f,
                                    const Random& random) const {
  const Tensor z = distribution.sample({samples_}, random);
  const Tensor values = evaluate(f, z, distribution);
  return {(values + distribution.log_prob(z)).mean(0), values.detach().mean(0)};
}

void Estimator::does_not_fit(const Distribution& distribution, const char* expected) const {
  throw InvalidArgument("distribution", fmt::format("{}: expected {}, got {}", name_, expected,
                                                    distribution.to_string()));
}

Tensor with_own_loss(const Tensor& surrogate, const Tensor& loss,
                     const std::vector<Tensor>& parameters) {
  if (parameters.empty() || !loss.requires_grad()) return surrogate;
  const auto gradients = torch::autograd::grad({loss}, parameters, /*grad_outputs=*/{},
                                               /*retain_graph=*/true, /*create_graph=*/false,
                                               /*allow_unused=*/true);
  Tensor result = surrogate;
  const auto rows = static_cast<double>(std::max<std::int64_t>(1, surrogate.numel()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].defined()) continue;
    // Linear in the parameter, with the gradient as its slope, shared out over the rows.
    const Tensor own = (parameters[i] * gradients[i]).sum().to(surrogate.options()) / rows;
    // Whoever maximizes descends -surrogate; the loss is to fall all the same.
    if (own.requires_grad()) own.register_hook([](const Tensor& g) { return g.abs(); });
    result = result + own;
  }
  return result;
}

}  // namespace partita::estimators
