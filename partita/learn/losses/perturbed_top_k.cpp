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
  const Tensor sum = target.sum(-1, /*keepdim=*/false, at::kDouble);
  const std::int64_t bad = first_false((sum - k).abs() <= kRounding * static_cast<double>(k));
  if (bad < 0) return;
  throw InvalidArgument("target", fmt::format("row {}: expected a sum of {}, got {}", bad, k,
                                              sum.flatten()[bad].item<double>()));
}

/// The k largest of perturbed logits.
struct Draws {
  Tensor rankings;  ///< [..., samples, k], the largest first
  Tensor value;     ///< F(logits), [...], for noise of mean 0
};

Draws draw(const Tensor& logits, std::int64_t k, const Random& random,
           const PerturbationOptions& options) {
  const Tensor z = logits.detach().unsqueeze(-2);
  Shape shape = z.sizes().vec();
  shape[shape.size() - 2] = options.samples;
  const auto [values, rankings] =
      (z + options.epsilon * random.gumbel(shape, z.options())).topk(k, -1);
  return {rankings, values.sum(-1).mean(-1) -
                        static_cast<double>(k) * options.epsilon * std::numbers::egamma};
}

/// y(logits), [..., V]. Relative to their law at other logits the draws have weights, which here
/// are 1; so the weights' derivatives are the law's, of any order.
Tensor mean_set(const Tensor& logits, const Tensor& rankings, double epsilon) {
  Shape shape = rankings.sizes().vec();
  shape.back() = logits.size(-1);
  const Tensor each = at::zeros(shape, logits.options()).scatter(-1, rankings, 1);
  Tensor mean = each.mean(-2);
  if (!at::GradMode::is_enabled() || !logits.requires_grad()) return mean;
  const distributions::PlackettLuce law(distributions::Logits(logits.unsqueeze(-2) / epsilon),
                                        rankings.size(-1), /*validate_args=*/false);
  const Tensor log_prob = law.log_prob(rankings);
  const Tensor weight = (log_prob - log_prob.detach()).exp() / (rankings.size(-2) - 1);
  const Tensor sum = (weight.unsqueeze(-1) * (each - mean.unsqueeze(-2))).sum(-2);
  return mean + (sum - sum.detach());
}

/// Its gradient is a function of the logits itself, so that there are second derivatives.
struct PerturbedLoss : Function<PerturbedLoss> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& target,
                        const Draws& draws, double epsilon) {
    context->save_for_backward({logits, target, draws.rankings});
    context->saved_data["epsilon"] = epsilon;
    const Tensor chosen = (logits.masked_fill(target == 0, 0) * target).sum(-1);
    return draws.value - chosen;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& logits = saved[0];
    const Tensor y = mean_set(logits, saved[2], context->saved_data["epsilon"].toDouble());
    const Tensor slope = (y - saved[1]).masked_fill(logits == -kInfinity, 0);
    return {gradients[0].unsqueeze(-1) * slope, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor perturbed_top_k(const Tensor& logits, std::int64_t k, const Random& random,
                       const PerturbationOptions& options) {
  check_choice(logits, k, options);
  const Tensor z = distributions::widened(logits);
  return mean_set(z, draw(z, k, random, options).rankings, options.epsilon)
      .to(logits.scalar_type());
}

Tensor perturbed_top_k_loss(const Tensor& logits, const Tensor& target, std::int64_t k,
                            const Random& random, const PerturbationOptions& options,
                            Reduction reduction) {
  check_choice(logits, k, options);
  check_sets(logits, target, k);
  const Tensor z = distributions::widened(logits);
  const Tensor each = PerturbedLoss::apply(z, target.detach().to(z.scalar_type()),
                                           draw(z, k, random, options), options.epsilon);
  return reduce(each, reduction).to(logits.scalar_type());
}

}  // namespace partita::losses
