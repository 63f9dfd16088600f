#include "partita/learn/estimators/finite_support.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/discrete.hpp"

namespace partita::estimators {

namespace {

constexpr double kMostCombinations = 1 << 20;

}  // namespace

std::optional<FiniteSupport> FiniteSupport::of(const Distribution& distribution) {
  const Distribution& base = base_of(distribution);
  if (!base.has_enumerate_support()) return std::nullopt;

  FiniteSupport support;
  support.event_shape_ = distribution.event_shape().vec();
  support.options_ = distribution.options();
  // Log-probabilities of a variable's values, [C, batch of the base].
  Tensor log_prob;
  if (const auto* one_hot = dynamic_cast<const distributions::OneHotCategorical*>(&base)) {
    log_prob = one_hot->logits().movedim(-1, 0);  // Its support is a V x V table: not written down.
  } else {
    const Tensor values = base.enumerate_support(/*expand=*/false);
    log_prob = base.log_prob(values);
    support.table_ = values.reshape(concatenate({values.size(0)}, base.event_shape()));
  }
  support.values_ = log_prob.size(0);

  const Shape batch = distribution.batch_shape().vec();
  const Tensor variables =
      log_prob.reshape(concatenate(concatenate({support.values_}, batch), {-1}));
  support.variables_ = variables.size(-1);
  if (std::pow(support.values_, support.variables_) > kMostCombinations && support.variables_ > 1) {
    throw InvalidArgument(
        "distribution", fmt::format("expected at most 2^20 outcomes to enumerate, got {}^{} of {}",
                                    support.values_, support.variables_, distribution.to_string()));
  }
  support.log_prob_ = variables.select(-1, 0);
  for (std::int64_t m = 1; m < support.variables_; ++m) {
    support.log_prob_ =
        (support.log_prob_.unsqueeze(1) + variables.select(-1, m).unsqueeze(0)).flatten(0, 1);
  }
  return support;
}

Tensor FiniteSupport::at(const Tensor& numbers) const {
  // The digits of the numbers in base C, [k, batch, M].
  std::vector<Tensor> digits(static_cast<std::size_t>(variables_));
  Tensor rest = numbers;
  for (std::size_t m = digits.size(); m-- > 0;) {
    digits[m] = rest.remainder(values_);
    rest = rest.div(values_, "floor");
  }
  const Tensor digit = at::stack(digits, -1);
  const Tensor values = table_.defined() ? table_.index_select(0, digit.flatten())
                                         : one_hot(digit, values_, options_);
  return values.reshape(concatenate(numbers.sizes(), event_shape_));
}

Tensor FiniteSupport::all() const {
  Shape shape(static_cast<std::size_t>(log_prob_.dim()), 1);
  shape[0] = size();
  return at(at::arange(size(), at::TensorOptions(at::kLong).device(log_prob_.device()))
                .view(shape)
                .expand(log_prob_.sizes()));
}

}  // namespace partita::estimators
