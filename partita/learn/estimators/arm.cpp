// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/arm.hpp"

#include <ATen/ATen.h>

#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

constexpr const char* kBits = "Bernoulli or Independent(Bernoulli)";

/// Bits of a logistic noise, those of its mirror image, and the noise, [S, batch, event].
struct Pair {
  Tensor noise;
  Tensor left;   ///< 1[logit + noise > 0]
  Tensor right;  ///< 1[logit - noise > 0]
};

Pair draw_pair(const Tensor& logits, std::int64_t samples, const Random& random) {
  const at::NoGradGuard no_grad;
  const Tensor noise = random.logistic(concatenate({samples}, logits.sizes()), logits.options());
  return {noise, (logits + noise > 0).to(logits.scalar_type()),
          (logits - noise > 0).to(logits.scalar_type())};
}

/// The estimate of a gradient in the logits that is (f(left) - f(right)) weight, [S, batch, event].
GradientEstimate pair_estimate(const Tensor& left, const Tensor& right, const Tensor& weight,
                               const Tensor& logits, const Distribution& distribution) {
  const Tensor difference = unsqueeze_event((left - right).detach(), distribution);
  const Tensor gradient = (difference * weight).mean(0);
  const Tensor mean = ((left + right) / 2).mean(0);
  return {mean + sum_event(gradient * logits, distribution), mean.detach()};
}

}  // namespace

Arm::Arm(ArmOptions options) : Estimator("Arm", options.samples) {}

GradientEstimate Arm::estimate(const Distribution& distribution, const Function& f,
                               const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables || variables->one_hot) does_not_fit(distribution, kBits);
  const Pair pair = draw_pair(variables->logits, samples(), random);
  // noise = logit(u): left is 1[u > sigmoid(-logits)].
  return pair_estimate(evaluate(f, pair.left, distribution), evaluate(f, pair.right, distribution),
                       pair.noise.sigmoid() - 0.5, variables->logits, distribution);
}

DisArm::DisArm(ArmOptions options) : Estimator("DisArm", options.samples) {}

GradientEstimate DisArm::estimate(const Distribution& distribution, const Function& f,
                                  const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables || variables->one_hot) does_not_fit(distribution, kBits);
  const Pair pair = draw_pair(variables->logits, samples(), random);
  // left - right is (-1)^right where they differ, else 0.
  const Tensor weight = (pair.left - pair.right) / 2 * variables->logits.detach().abs().sigmoid();
  return pair_estimate(evaluate(f, pair.left, distribution), evaluate(f, pair.right, distribution),
                       weight, variables->logits, distribution);
}

}  // namespace partita::estimators
