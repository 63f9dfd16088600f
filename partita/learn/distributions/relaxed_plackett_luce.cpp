// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/relaxed_plackett_luce.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/choice.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// [k, V].
Shape event_shape_of(const ProbsOrLogits& scores, std::int64_t k) {
  const std::int64_t categories = categories_of(scores.value());
  check_choice("RelaxedPlackettLuce", k, 1, categories);
  return {k, categories};
}

/// log(1 - p) from log p [..., V], p a distribution. That of the largest is the sum of the others:
/// it may have rounded to 1.
Tensor log_of_others(const Tensor& log_p) {
  const Tensor index = log_p.detach().argmax(-1, /*keepdim=*/true);
  const Tensor is_largest =
      at::zeros(log_p.sizes(), log_p.options().dtype(at::kBool)).scatter(-1, index, /*value=*/true);
  const Tensor others = log_sum_exp(log_p.masked_fill(is_largest, -kInfinity));
  return at::where(is_largest, others.unsqueeze(-1), log1mexp(log_p.masked_fill(is_largest, -1)));
}

}  // namespace

Tensor relaxed_top_k(const Tensor& scores, std::int64_t k, const TensorOrNumber& temperature) {
  check_choice("relaxed_top_k", k, 1, categories_of(scores));
  const Tensor given = temperature.tensor(scores.options());
  if (!(given > 0).all().item<bool>()) {
    throw InvalidArgument("temperature", fmt::format("relaxed_top_k: expected a number > 0, got {}",
                                                     given.min().item<double>()));
  }
  constexpr double kTiny = 1e-10;  // a score over it is finite only in double
  const bool is_tiny = !all_at_least(given, kTiny);
  const Tensor t = (is_tiny ? in_double(given) : given).unsqueeze(-1);
  Tensor left = is_tiny ? in_double(scores) : scores;
  std::vector<Tensor> rows;
  while (true) {
    // Less the largest, which would take digits, and without those that cannot be chosen, which
    // have no slope.
    const Tensor absent = left == -kInfinity;
    const Tensor largest = left.detach().amax(-1, /*keepdim=*/true);
    const Tensor log_p = ((left.masked_fill(absent, 0) - largest) / t)
                             .masked_fill(absent, -kInfinity)
                             .log_softmax(-1);
    rows.push_back(log_p.exp().to(scores.scalar_type()));
    if (static_cast<std::int64_t>(rows.size()) == k) return at::stack(rows, -2);
    left = left + log_of_others(log_p);
  }
}

RelaxedPlackettLuce::RelaxedPlackettLuce(const TensorOrNumber& temperature,
                                         const ProbsOrLogits& scores, std::int64_t k,
                                         bool validate_args)
    : Distribution("RelaxedPlackettLuce",
                   {scores_argument(scores, k), temperature_argument(temperature)},
                   event_shape_of(scores, k), validate_args),
      is_logits_(scores.is_logits()) {}

Tensor RelaxedPlackettLuce::log_weights() const {
  return is_logits_ ? parameter(0) : log_or_minus_infinity(parameter(0));
}

Tensor RelaxedPlackettLuce::logits() const { return log_weights().log_softmax(-1); }

Constraint RelaxedPlackettLuce::support() const {
  return constraints::independent(constraints::simplex(), 1);
}

Tensor RelaxedPlackettLuce::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor weights = log_weights();
  const Shape shape = concatenate(concatenate(sample_shape, batch_shape()), {weights.size(-1)});
  const Tensor perturbed = random.gumbel(shape, weights.options()) + weights;
  return relaxed_top_k(perturbed, event_shape()[0], temperature());
}

Tensor RelaxedPlackettLuce::do_log_prob(const Tensor& /*value*/) const {
  unavailable("log_prob", "its rows are a function of the first, a RelaxedOneHotCategorical");
}

}  // namespace partita::distributions
