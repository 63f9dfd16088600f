// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/zero_inflated.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// The shape to which both broadcast.
/// @throws InvalidArgument naming the gate if they do not.
Shape broadcast_shape(IntArrayRef gate, IntArrayRef base) {
  Shape shape(std::max(gate.size(), base.size()), 1);
  for (std::size_t i = 1; i <= shape.size(); ++i) {
    const std::int64_t a = i <= gate.size() ? gate[gate.size() - i] : 1;
    const std::int64_t b = i <= base.size() ? base[base.size() - i] : 1;
    if (a != b && a != 1 && b != 1) {
      throw InvalidArgument(
          "gate", fmt::format("ZeroInflated: expected a shape that broadcasts with {}, got {}",
                              partita::to_string(base), partita::to_string(gate)));
    }
    shape[shape.size() - i] = a == 1 ? b : a;
  }
  return shape;
}

}  // namespace

ZeroInflated::ZeroInflated(const AnyDistribution& base, const ProbsOrLogits& gate,
                           bool validate_args)
    : Distribution("ZeroInflated",
                   {{gate.is_logits() ? "gate_logits" : "gate", gate.value(),
                     gate.is_logits() ? constraints::real() : constraints::unit_interval()}},
                   {}, validate_args),
      base_(base.ptr()),
      is_logits_(gate.is_logits()) {
  if (!base_->support().is_discrete || !base_->event_shape().empty()) {
    throw InvalidArgument(
        "base",
        fmt::format("ZeroInflated: expected a univariate distribution of whole numbers, got {}",
                    base_->to_string()));
  }
  const Shape expanded = broadcast_shape(batch_shape(), base_->batch_shape());
  *this = static_cast<const ZeroInflated&>(*expand(expanded));
}

std::string ZeroInflated::to_string() const {
  return fmt::format("{}({}, {})", name(), base_->to_string(), parameters_to_string());
}

Tensor ZeroInflated::gate() const { return Coin{parameter(0), is_logits_}.probs(); }
Tensor ZeroInflated::log_gate() const { return Coin{parameter(0), is_logits_}.log_probs(); }
Tensor ZeroInflated::log_rest() const { return Coin{parameter(0), is_logits_}.log_failure_probs(); }

Constraint ZeroInflated::support() const {
  Constraint support = base_->support();
  support.check = [check = support.check](const Tensor& x) { return check(x).logical_or(x == 0); };
  const auto with_zero = [](Tensor& bound, bool upper) {
    if (bound.defined()) bound = upper ? bound.clamp_min(0) : bound.clamp_max(0);
  };
  with_zero(support.lower, false);
  with_zero(support.upper, true);
  return support;
}

Tensor ZeroInflated::entropy() const {
  // Of the base's sum over all counts, that at 0 is exchanged, and the others are scaled by 1 -
  // gate.
  const Tensor rest = in_double(log_rest());
  const Tensor zero = at::zeros({}, base_->options());
  const Tensor base_zero = in_double(base_->log_prob_anywhere(zero));
  const Tensor own_zero = in_double(do_log_prob(zero));
  const Tensor others = in_double(base_->entropy()) + times(base_zero.exp(), base_zero);
  return (rest.exp() * others - times(rest.exp() * one_minus_exp(base_zero), rest) -
          times(own_zero.exp(), own_zero))
      .to(parameter(0).scalar_type());
}

Tensor ZeroInflated::mean() const { return log_rest().exp() * base_->mean(); }

Tensor ZeroInflated::variance() const {
  // (1 - g) (v + m^2) - (1 - g)^2 m^2
  return log_rest().exp() * (base_->variance() + gate() * base_->mean().square());
}

DistributionPtr ZeroInflated::expand(IntArrayRef batch_shape) const {
  const auto gates = Distribution::expand(batch_shape);
  auto copy = std::make_shared<ZeroInflated>(static_cast<const ZeroInflated&>(*gates));
  copy->base_ = base_->expand(batch_shape);
  return copy;
}

Tensor ZeroInflated::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // The gate from a stream of its own, so that where the counts begin does not depend on their
  // number. 1 - e^-x = gate at this x, which keeps its digits for a small gate.
  const Tensor noise =
      Random(random.fork()).exponential(extended_shape(sample_shape), parameter(0).options());
  return base_->sample(sample_shape, random).masked_fill(noise < -log_rest(), 0);
}

Tensor ZeroInflated::mixed(const Tensor& log_p, const Tensor& with_gate) const {
  const Tensor rest = log_rest() + log_p;
  const Tensor gates = log_gate().masked_fill(with_gate.logical_not(), -kInfinity);
  return log_sum_exp(at::stack(at::broadcast_tensors({gates.to(rest.scalar_type()), rest}), -1));
}

Tensor ZeroInflated::do_log_prob(const Tensor& value) const {
  return mixed(base_->log_prob_anywhere(value), value == 0);
}

Tensor ZeroInflated::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor ZeroInflated::do_log_cdf(const Tensor& value) const {
  return mixed(base_->log_cdf_anywhere(value), value >= 0);
}

Tensor ZeroInflated::do_log_survival(const Tensor& value) const {
  return mixed(base_->log_survival_anywhere(value), value < 0);
}

}  // namespace partita::distributions
