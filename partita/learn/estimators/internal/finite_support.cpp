#include "partita/learn/estimators/internal/finite_support.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

constexpr double kMostCombinations = 1 << 20;

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
  support.log_prob_ = log_prob.reshape(concatenate(outer, {-1}));
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
  Tensor log_prob = log_prob_.select(-1, 0);
  for (std::int64_t m = 1; m < variables(); ++m) {
    log_prob = (log_prob.unsqueeze(1) + log_prob_.select(-1, m).unsqueeze(0)).flatten(0, 1);
  }
  // The digits of 0 ... N - 1 in base C, [N, M].
  std::vector<Tensor> digits(static_cast<std::size_t>(variables()));
  Tensor rest =
      at::arange(log_prob.size(0), at::TensorOptions(at::kLong).device(log_prob.device()));
  for (std::size_t m = digits.size(); m-- > 0;) {
    digits[m] = rest.remainder(values());
    rest = rest.div(values(), "floor");
  }
  Shape rows(static_cast<std::size_t>(log_prob.dim()) + 1, 1);
  rows.front() = log_prob.size(0);
  rows.back() = variables();
  const Tensor numbers =
      at::stack(digits, -1).view(rows).expand(concatenate(log_prob.sizes(), {variables()}));
  return {at(numbers), log_prob};
}

}  // namespace partita::estimators
