// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/categorical.hpp"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/ExpandUtils.h>

#include <limits>

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/table.hpp"

namespace partita::distributions {

namespace {

/// look_up() for a contiguous table on the CPU that needs no gradient, less each row's offset:
/// without an index for every dimension. -inf where there is no such category.
/// @param value its shape ends in that of offset once both are broadcast
Tensor look_up_less(const Tensor& table, const Tensor& offset, const Tensor& value) {
  const IntArrayRef batch = offset.sizes();
  const Tensor columns = value.expand(at::infer_size(value.sizes(), batch)).contiguous();
  const std::int64_t rows = offset.numel();
  const std::int64_t categories = table.size(-1);
  Tensor out = at::empty(columns.sizes(), table.options());
  const auto* chosen = columns.data_ptr<std::int64_t>();
  AT_DISPATCH_FLOATING_TYPES(table.scalar_type(), "Categorical", [&] {
    const auto* from = table.data_ptr<scalar_t>();
    const auto* less = offset.data_ptr<scalar_t>();
    auto* to = out.data_ptr<scalar_t>();
    constexpr auto nothing = -std::numeric_limits<scalar_t>::infinity();
    for (std::int64_t i = 0; i < out.numel(); i += rows) {
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t column = chosen[i + row];
        const bool fits = 0 <= column && column < categories;
        to[i + row] = fits ? from[row * categories + column] - less[row] : nothing;
      }
    }
  });
  return out;
}

/// Whether a batch stands as it is at the end of the shape that it has with a value: not where a
/// dimension of 1 is repeated in its middle.
bool repeats_whole(IntArrayRef batch, IntArrayRef value) {
  const Shape both = at::infer_size(value, batch);
  return IntArrayRef(both).slice(both.size() - batch.size()).equals(batch);
}

/// How large a log-sum-exp may be without its rounding being felt: below 1e-6 in single precision.
constexpr double kLargestOffset = 16;

}  // namespace

namespace {

/// logcumsumexp() over the last dimension, with gradients where it begins at -inf too.
Tensor cumulative(const Tensor& log_p) {
  constexpr double kNothing = std::numeric_limits<float>::lowest() / 4;
  const Tensor sum = at::logcumsumexp(log_p.clamp_min(kNothing), -1);
  return sum.masked_fill(sum <= kNothing / 2, -kInfinity);
}

}  // namespace

Categorical::Categorical(const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("Categorical",
                   {parameter.argument(constraints::simplex(), constraints::logits())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Tensor Categorical::probs() const {
  const Tensor own = widened(parameter(0));
  return (is_logits_ ? own.softmax(-1) : own / own.sum(-1, true)).to(parameter(0).scalar_type());
}

Tensor Categorical::logits() const {
  const Tensor log_p =
      is_logits_ ? widened(parameter(0)).log_softmax(-1) : log_or_minus_infinity(widened(probs()));
  return log_p.to(parameter(0).scalar_type());
}

at::TensorOptions Categorical::options() const { return parameter(0).options().dtype(at::kLong); }

Constraint Categorical::support() const {
  return constraints::integer_interval(at::zeros({}, options()),
                                       at::full({}, categories() - 1, options()), "[0, V - 1]");
}

Tensor Categorical::entropy() const {
  if (is_logits_) return -times(probs(), logits()).sum(-1);
  // The slope of -p log p at p = 0 is infinite: an impossible category has none.
  const Tensor weights = parameter(0).masked_fill(parameter(0) == 0, 0);
  const Tensor p = weights / weights.sum(-1, /*keepdim=*/true);
  return -times(p, log_or_minus_infinity(p)).sum(-1);
}

Tensor Categorical::mean() const {
  return at::full(batch_shape(), std::numeric_limits<double>::quiet_NaN(), parameter(0).options());
}

Tensor Categorical::mode() const { return parameter(0).argmax(-1); }

Tensor Categorical::enumerate_support(bool expand) const {
  return over_batch(at::arange(categories(), options()), expand);
}

Tensor Categorical::do_sample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor rows = parameter(0).reshape({c10::multiply_integers(batch_shape()), categories()});
  return random.categorical(is_logits_ ? rows : rows.log(), c10::multiply_integers(sample_shape))
      .view(extended_shape(sample_shape));
}

Constraint Categorical::scored() const {
  Constraint all = support();
  all.is_everything = true;
  return all;
}

Tensor Categorical::do_log_prob(const Tensor& value) const {
  if (value.is_floating_point()) {
    const Tensor inside = support().check(value);
    return do_log_prob(value.masked_fill(inside.logical_not(), -1).to(at::kLong))
        .masked_fill(value.isnan(), kNaN);
  }
  const Tensor index = value.to(at::kLong);
  Tensor table = parameter(0);
  Tensor total = is_logits_ ? log_sum_exp(table) : table.sum(-1).log();
  if (is_logits_ && !all_at_most(total.abs(), kLargestOffset)) {
    // What the logits of a row have in common takes the digits of its log-sum-exp: subtract it from
    // them first.
    const Tensor most = table.detach().amax(-1, /*keepdim=*/true);
    table = table - most.masked_fill(most.isinf(), 0);
    total = log_sum_exp(table);
  }
  const bool records = at::GradMode::is_enabled() && table.requires_grad();
  const bool is_plain = table.is_cpu() && table.is_contiguous() && index.is_cpu() &&
                        repeats_whole(total.sizes(), index.sizes()) &&
                        (table.scalar_type() == at::kFloat || table.scalar_type() == at::kDouble);
  if (is_logits_ && !records && is_plain) return look_up_less(table, total, index);
  const bool fits = all_within(index, 0, static_cast<double>(categories() - 1));
  const Tensor chosen = look_up(table, fits ? index : index.clamp(0, categories() - 1));
  const Tensor log_p = (is_logits_ ? chosen : log_or_minus_infinity(chosen)) - total;
  if (fits) return log_p;
  return log_p.masked_fill((index < 0).logical_or(index >= categories()), -kInfinity);
}

Tensor Categorical::at_step(const Tensor& log_table, const Tensor& value, double below,
                            double above) const {
  const Tensor last = value >= categories() - 1;
  const Tensor before = value < 0;
  if (categories() == 1) {
    return at::zeros(at::infer_size(value.sizes(), batch_shape()), log_table.options())
        .masked_fill(before, below)
        .masked_fill(last, above);
  }
  const Tensor index = value.clamp(0, categories() - 2).to(at::kLong);
  return look_up(log_table, index)
      .clamp_max(0)  // the sum of all may round to more than 1
      .masked_fill(before, below)
      .masked_fill(last, above)
      .to(parameter(0).scalar_type());
}

Tensor Categorical::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor Categorical::do_log_cdf(const Tensor& value) const {
  return at_step(cumulative(in_double(logits())), value, -kInfinity, 0);
}

Tensor Categorical::do_log_survival(const Tensor& value) const {
  const Tensor from_top = cumulative(in_double(logits()).flip(-1)).flip(-1);  // log P(X >= i)
  return at_step(from_top.narrow(-1, 1, categories() - 1), value, 0, -kInfinity);
}

}  // namespace partita::distributions
