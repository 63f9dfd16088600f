// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/internal/finite_support.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

constexpr double kMostCombinations = 1 << 20;

/// The probabilities of a variable's values, [C, batch of the base], as functions of its parameters
/// that can be differentiated where they are 0.
Tensor probs_of_values(const Distribution& base, const Tensor& log_prob) {
  if (const auto* bits = dynamic_cast<const distributions::Bernoulli*>(&base)) {
    const Tensor p = bits->probs();
    return at::stack({1 - p, p});
  }
  if (const auto* one_hot = dynamic_cast<const distributions::OneHotCategorical*>(&base)) {
    return one_hot->probs().movedim(-1, 0);
  }
  if (const auto* categories = dynamic_cast<const distributions::Categorical*>(&base)) {
    return categories->probs().movedim(-1, 0);
  }
  if (const auto* counts = dynamic_cast<const distributions::Binomial*>(&base)) {
    const Tensor k = base.enumerate_support(/*expand=*/false);
    const Tensor n = counts->total_count();
    const Tensor p = counts->probs();
    return distributions::log_choose(n, k.expand(log_prob.sizes())).exp() * p.pow(k) *
           (1 - p).pow(n - k);
  }
  // Masked before exp, so that an impossible outcome has no gradient instead of a NaN one.
  const Tensor impossible = log_prob == -std::numeric_limits<double>::infinity();
  return log_prob.masked_fill(impossible, 0).exp().masked_fill(impossible, 0);
}

}  // namespace

std::optional<FiniteSupport> FiniteSupport::of(const Distribution& distribution) {
  const Distribution& base = base_of(distribution);
  if (!base.has_enumerate_support()) return std::nullopt;

  FiniteSupport support(distribution);
  // Log-probabilities of a variable's values, [C, batch of the base].
  Tensor log_prob;
  if (const auto* one_hot = dynamic_cast<const distributions::OneHotCategorical*>(&base)) {
    log_prob = one_hot->logits().movedim(-1, 0);  // Its support is a V x V table: not written down.
  } else {
    const Tensor values = base.enumerate_support(/*expand=*/false);
    log_prob = base.log_prob(values);
    support.table_ = values.reshape(concatenate({values.size(0)}, base.event_shape()));
  }
  const Shape outer = concatenate({log_prob.size(0)}, distribution.batch_shape());
  // As many variables as are left over; with an empty batch -1 would not say.
  const std::int64_t rows = c10::multiply_integers(distribution.batch_shape());
  const std::int64_t variables = rows == 0 ? 1 : log_prob[0].numel() / rows;
  support.log_prob_ = log_prob.reshape(concatenate(outer, {variables}));
  support.probs_ = probs_of_values(base, log_prob).reshape(support.log_prob_.sizes());
  return support;
}

double FiniteSupport::size() const {
  return std::pow(static_cast<double>(values()), static_cast<double>(variables()));
}

Tensor FiniteSupport::at(const Tensor& numbers) const {
  const Tensor outcomes = table_.defined() ? table_.index_select(0, numbers.flatten())
                                           : one_hot(numbers, values(), distribution_->options());
  return outcomes.reshape(
      concatenate(numbers.sizes().slice(0, static_cast<std::size_t>(numbers.dim()) - 1),
                  distribution_->event_shape()));
}

FiniteSupport::Outcomes FiniteSupport::all() const {
  if (variables() > 1 && size() > kMostCombinations) {
    throw InvalidArgument(
        "distribution", fmt::format("expected at most 2^20 outcomes to enumerate, got {}^{} of {}",
                                    values(), variables(), distribution_->to_string()));
  }
  Tensor probs = probs_.select(-1, 0);
  for (std::int64_t m = 1; m < variables(); ++m) {
    probs = (probs.unsqueeze(1) * probs_.select(-1, m).unsqueeze(0)).flatten(0, 1);
  }
  // The digits of 0 ... N - 1 in base C, [N, M].
  std::vector<Tensor> digits(static_cast<std::size_t>(variables()));
  Tensor rest = at::arange(probs.size(0), at::TensorOptions(at::kLong).device(probs.device()));
  for (std::size_t m = digits.size(); m-- > 0;) {
    digits[m] = rest.remainder(values());
    rest = rest.div(values(), "floor");
  }
  Shape rows(static_cast<std::size_t>(probs.dim()) + 1, 1);
  rows.front() = probs.size(0);
  rows.back() = variables();
  const Tensor numbers =
      at::stack(digits, -1).view(rows).expand(concatenate(probs.sizes(), {variables()}));
  return {at(numbers), probs};
}

}  // namespace partita::estimators
