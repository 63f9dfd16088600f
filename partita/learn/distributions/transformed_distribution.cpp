#include "partita/learn/distributions/transformed_distribution.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/independent.hpp"

namespace partita::distributions {

TransformedDistribution::TransformedDistribution(const AnyDistribution& base,
                                                 std::vector<AnyTransform> transforms,
                                                 bool validate_args)
    : Distribution("TransformedDistribution", {}, {}, validate_args),
      base_(base.ptr()),
      transform_(std::move(transforms)) {
  const Shape base_shape = concatenate(base_->batch_shape(), base_->event_shape());
  const std::size_t base_dims = base_->event_shape().size();
  const auto domain_dims = static_cast<std::size_t>(transform_.domain().event_dim);
  const auto codomain_dims = static_cast<std::size_t>(transform_.codomain().event_dim);
  if (base_shape.size() < domain_dims) {
    throw InvalidArgument(
        "base",
        fmt::format("TransformedDistribution: expected {} dimensions or more for {}, got {}",
                    domain_dims, transform_.name(), base_->to_string()));
  }
  // The parameters of the transforms may broadcast the base.
  const Shape shape = transform_.forward_shape(base_shape);
  const Shape expanded = transform_.inverse_shape(shape);
  if (expanded != base_shape) {
    base_ = base_->expand(IntArrayRef(expanded).slice(0, expanded.size() - base_dims));
  }
  if (domain_dims > base_dims) {
    base_ = std::make_shared<Independent>(base_, static_cast<std::int64_t>(domain_dims - base_dims),
                                          base_->validate_args());
  }
  const std::size_t event_dims = codomain_dims + (base_dims - std::min(base_dims, domain_dims));
  const std::size_t cut = shape.size() - event_dims;
  batch_shape_ = IntArrayRef(shape).slice(0, cut).vec();
  event_shape_ = IntArrayRef(shape).slice(cut).vec();
}

std::string TransformedDistribution::to_string() const {
  return fmt::format("{}({}, {})", name(), base_->to_string(), transform_.name());
}

Constraint TransformedDistribution::support() const {
  const Constraint codomain =
      transforms().empty() ? base_->support() : transforms().back().ptr()->codomain();
  return constraints::independent(
      codomain, static_cast<std::int64_t>(event_shape().size()) - codomain.event_dim);
}

DistributionPtr TransformedDistribution::expand(IntArrayRef batch_shape) const {
  auto copy = std::make_shared<TransformedDistribution>(*this);
  const Shape base_shape = transform_.inverse_shape(concatenate(batch_shape, event_shape()));
  copy->base_ = base_->expand(
      IntArrayRef(base_shape).slice(0, base_shape.size() - base_->event_shape().size()));
  copy->batch_shape_ = batch_shape.vec();
  return copy;
}

Tensor TransformedDistribution::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return transform_(base_->sample(sample_shape, random));
}

Tensor TransformedDistribution::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return transform_(base_->rsample(sample_shape, random));
}

Tensor TransformedDistribution::do_log_prob(const Tensor& value) const {
  auto event_dims = static_cast<std::int64_t>(event_shape().size());
  Tensor y = value;
  Tensor log_det;
  for (auto it = transforms().rbegin(); it != transforms().rend(); ++it) {
    const Transform& transform = *it->ptr();
    const Tensor x = transform.inverse(y);
    event_dims += transform.domain().event_dim - transform.codomain().event_dim;
    const Tensor term = sum_rightmost(transform.log_abs_det_jacobian(x, y),
                                      event_dims - transform.domain().event_dim);
    log_det = log_det.defined() ? log_det + term : term;
    y = x;
  }
  const Tensor log_prob = sum_rightmost(
      base_->log_prob(y), event_dims - static_cast<std::int64_t>(base_->event_shape().size()));
  if (!log_det.defined()) return log_prob;
  // At an end of the support the Jacobian may be infinite too.
  return (log_prob - log_det).masked_fill(log_prob == -kInfinity, -kInfinity);
}

Tensor TransformedDistribution::by_direction(
    const Tensor& value, const std::function<Tensor(const Tensor&)>& rising,
    const std::function<Tensor(const Tensor&)>& falling) const {
  const Tensor rises = transform_.sign() > 0;
  const Tensor x = transform_.inverse(value);
  if (rises.all().item<bool>()) return rising(x);
  return at::where(rises.to(x.device()), rising(x), falling(x));
}

Tensor TransformedDistribution::do_cdf(const Tensor& value) const {
  return by_direction(
      value, [&](const Tensor& x) { return base_->cdf(x); },
      [&](const Tensor& x) { return base_->log_survival(x).exp(); });
}

Tensor TransformedDistribution::do_log_cdf(const Tensor& value) const {
  return by_direction(
      value, [&](const Tensor& x) { return base_->log_cdf(x); },
      [&](const Tensor& x) { return base_->log_survival(x); });
}

Tensor TransformedDistribution::do_log_survival(const Tensor& value) const {
  return by_direction(
      value, [&](const Tensor& x) { return base_->log_survival(x); },
      [&](const Tensor& x) { return base_->log_cdf(x); });
}

Tensor TransformedDistribution::do_icdf(const Tensor& probability) const {
  const Tensor rises = (transform_.sign() > 0).to(probability.device());
  return transform_(base_->icdf(at::where(rises, probability, 1 - probability)));
}

}  // namespace partita::distributions
