// SPDX-License-Identifier: Apache-2.0
// What a Distribution does about values outside its support, and about types in which it does not
// compute.
#include <ATen/ATen.h>

#include <typeinfo>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// Where a value is NaN, or a number of its event is: [..., batch].
Tensor is_nan(const Tensor& value, std::size_t event_dims) {
  const Tensor nan = value.isnan();
  return event_dims == 0 ? nan
                         : nan.flatten(nan.dim() - static_cast<std::int64_t>(event_dims)).any(-1);
}

}  // namespace

c10::optional<at::ScalarType> Distribution::parameter_type() const {
  if (parameters_.empty()) return c10::nullopt;
  return parameters_.front().value.scalar_type();
}

bool Distribution::is_narrow() const {
  if (parameters_.empty() || !parameters_.front().value.is_cpu()) return false;
  const at::ScalarType type = parameters_.front().value.scalar_type();
  return type == at::kHalf || type == at::kBFloat16;
}

DistributionPtr Distribution::with_type(at::ScalarType type) const {
  std::shared_ptr<Distribution> copy = clone();
  // A class of the caller's that does not override clone() has no copy of its own kind.
  if (typeid(*copy) != typeid(*this)) return {DistributionPtr(), this};
  copy->set_type(type);
  return copy;
}

void Distribution::set_type(at::ScalarType type) {
  for (Parameter& parameter : parameters_) parameter.value = parameter.value.to(type);
}

Tensor Distribution::narrowed(const Tensor& draws) const {
  const at::ScalarType type = *parameter_type();
  const double largest = largest_number(type);
  const Tensor x = draws.clamp(-largest, largest).to(options());
  const at::NoGradGuard no_grad;
  Tensor infinite = log_prob_inside(x).isfinite().logical_not();
  for (std::size_t i = 0; i < event_shape_.size(); ++i) infinite = infinite.unsqueeze(-1);
  const at::AutoGradMode enable(draws.requires_grad());
  return x.masked_fill(infinite.logical_and(x == 0), smallest_normal(type))
      .masked_fill(infinite.logical_and(x == 1), 1 - epsilon(type) / 2);
}

Tensor Distribution::with_draws_outside(const Tensor& value, const Tensor& inside) const {
  const Tensor draw = sample({}, Stream{});
  Shape shape = inside.sizes().vec();
  shape.insert(shape.end(), event_shape_.size(), 1);
  const at::ScalarType type = at::result_type(value, draw);
  return at::where(inside.view(shape), value.to(type), draw.to(type));
}

Tensor Distribution::log_prob_inside(const Tensor& value) const {
  if (!is_narrow()) return do_log_prob(value);
  const Tensor wide = value.is_floating_point() ? value.to(at::kFloat) : value;
  return with_type(at::kFloat)->do_log_prob(wide).to(*parameter_type());
}

Tensor Distribution::log_prob_anywhere(const Tensor& value) const {
  const Constraint within = scored();
  if (within.is_everything || within.holds(value)) return log_prob_inside(value);
  const Tensor inside = within.check(value);
  return log_prob_inside(with_draws_outside(value, inside))
      .masked_fill(inside.logical_not(), -kInfinity)
      .masked_fill(is_nan(value, event_shape_.size()), kNaN);
}

Tensor Distribution::tail_anywhere(Method method, const Tensor& value, double below,
                                   double above) const {
  const auto type = parameter_type();
  const bool is_double = !type || *type == at::kDouble;
  const DistributionPtr wide = is_double ? nullptr : with_type(at::kDouble);
  if (!is_double && wide.get() != this) {
    return wide->tail_anywhere(method, value.to(at::kDouble), below, above)
        .to(at::result_type(value, parameters_.front().value));
  }
  if (!event_shape_.empty()) return (this->*method)(value);  // each number by its own distribution
  const Constraint within = support();
  const Tensor number = value.is_floating_point() ? value : value.to(at::kDouble);
  const Tensor x = within.is_discrete ? rounded_down(number) : number;
  const Tensor inside = within.check(x).logical_and(x.isfinite());
  if (inside.all().item<bool>()) return (this->*method)(x);
  const Tensor center = with_draws_outside(x, inside);
  const Tensor outside = inside.logical_not();
  return (this->*method)(center)
      .masked_fill(outside.logical_and(x < center), below)
      .masked_fill(outside.logical_and(x > center), above)
      .masked_fill(x.isnan(), kNaN);
}

Tensor Distribution::cdf_anywhere(const Tensor& value) const {
  return tail_anywhere(&Distribution::do_cdf, value, 0, 1);
}

Tensor Distribution::log_cdf_anywhere(const Tensor& value) const {
  return tail_anywhere(&Distribution::do_log_cdf, value, -kInfinity, 0);
}

Tensor Distribution::log_survival_anywhere(const Tensor& value) const {
  return tail_anywhere(&Distribution::do_log_survival, value, 0, -kInfinity);
}

}  // namespace partita::distributions
