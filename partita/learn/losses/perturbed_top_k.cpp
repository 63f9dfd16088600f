// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/perturbed_top_k.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numbers>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/losses/internal/checks.hpp"

namespace partita::losses {

namespace {

using distributions::kInfinity;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

void check_choice(const Tensor& logits, std::int64_t k, const PerturbationOptions& options) {
  check_logits(logits);
  check_between("k", k, 1, logits.size(-1), "categories");
  check_at_least("samples", options.samples, 2);
  check_in("epsilon", options.epsilon, "(0, inf)");
  const Tensor possible = (logits > -kInfinity).sum(-1);
  const std::int64_t bad = first_false(possible >= k);
  if (bad < 0) return;
  throw InvalidArgument("logits", fmt::format("row {}: expected {} or more > -inf, got {}", bad, k,
                                              possible.flatten()[bad].item<std::int64_t>()));
}

/// Sets of k, or means of some.
void check_sets(const Tensor& logits, const Tensor& target, std::int64_t k) {
  check_floating("target", target);
  check_same_shape(target, "logits", logits);
  const Tensor inside = (target >= 0).logical_and(target <= 1);
  if (const std::int64_t bad = first_false(inside); bad >= 0) {
    throw InvalidArgument("target",
                          fmt::format("row {}: expected numbers in [0, 1], got {} at column {}",
                                      bad / target.size(-1), target.flatten()[bad].item<double>(),
                                      bad % target.size(-1)));
  }
  constexpr double kRounding = 1e-4;
  const Tensor sum = target.sum(-1);
  const std::int64_t bad = first_false((sum - k).abs() <= kRounding * static_cast<double>(k));
  if (bad < 0) return;
  throw InvalidArgument("target", fmt::format("row {}: expected a sum of {}, got {}", bad, k,
                                              sum.flatten()[bad].item<double>()));
}

/// What perturbed logits have.
struct PerturbedSets {
  Tensor sets;   ///< y(logits), [..., V], differentiable
  Tensor value;  ///< F(logits), [...], for noise of mean 0; without a gradient
};

PerturbedSets perturbed_sets(const Tensor& logits, std::int64_t k, const Random& random,
                             const PerturbationOptions& options) {
  const Tensor z = logits.unsqueeze(-2);  // [..., samples, V], as all of what follows
  Shape shape = z.sizes().vec();
  shape[shape.size() - 2] = options.samples;
  const Tensor perturbed = z.detach() + options.epsilon * random.gumbel(shape, z.options());
  const auto [values, ranking] = perturbed.topk(k, -1);  // the largest first
  const Tensor each = at::zeros_like(perturbed).scatter(-1, ranking, 1);
  const Tensor mean = each.mean(-2);
  // Relative to their law at other logits the draws have weights, which here are 1; so the weights'
  // derivatives are the law's, of any order.
  const Tensor log_prob = distributions::PlackettLuce(distributions::Logits(z / options.epsilon), k,
                                                      /*validate_args=*/false)
                              .log_prob(ranking);
  const Tensor weight = (log_prob - log_prob.detach()).exp() / (options.samples - 1);
  const Tensor centered = each - mean.unsqueeze(-2);
  const Tensor sum = (weight.unsqueeze(-1) * centered).sum(-2);
  return {
      mean + (sum - sum.detach()),
      values.sum(-1).mean(-1) - static_cast<double>(k) * options.epsilon * std::numbers::egamma};
}

/// The loss by its logits alone; the sets, which come with their own graph, take part in the
/// gradient and so in second derivatives.
struct PerturbedLoss : Function<PerturbedLoss> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& sets,
                        const Tensor& target, const Tensor& value) {
    context->save_for_backward({logits, sets, target});
    return value.clone();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor slope = (saved[1] - saved[2]).masked_fill(saved[0] == -kInfinity, 0);
    return {gradients[0].unsqueeze(-1) * slope, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor perturbed_top_k(const Tensor& logits, std::int64_t k, const Random& random,
                       const PerturbationOptions& options) {
  check_choice(logits, k, options);
  return perturbed_sets(logits, k, random, options).sets;
}

Tensor perturbed_top_k_loss(const Tensor& logits, const Tensor& target, std::int64_t k,
                            const Random& random, const PerturbationOptions& options,
                            Reduction reduction) {
  check_choice(logits, k, options);
  check_sets(logits, target, k);
  const auto [sets, value] = perturbed_sets(logits, k, random, options);
  const Tensor chosen = (logits.detach().masked_fill(target == 0, 0) * target).sum(-1);
  return reduce(PerturbedLoss::apply(logits, sets, target.detach(), value - chosen), reduction);
}

}  // namespace partita::losses
