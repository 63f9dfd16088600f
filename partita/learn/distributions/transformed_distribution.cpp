// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/transformed_distribution.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quantile.hpp"

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
  const Constraint base = base_->support();
  if (transforms().empty()) return base;
  const Constraint codomain = constraints::independent(
      transforms().back().ptr()->codomain(), static_cast<std::int64_t>(event_shape().size()) -
                                                 transforms().back().ptr()->codomain().event_dim);
  // The base's own support matters where it is not all of the transforms' domain.
  const bool all =
      base.form == Constraint::Form::number && !base.lower.defined() && !base.upper.defined();
  if (all || !transform_.bijective()) return codomain;
  Constraint image{fmt::format("{} of {}", transform_.name(), base.description), codomain.event_dim,
                   base.is_discrete, nullptr};
  image.check = [self = *this, base, codomain](const Tensor& value) {
    const Tensor within = codomain.check(value);
    Tensor inside = base.check(self.preimage(value));
    if (inside.dim() > within.dim()) inside = inside.flatten(within.dim()).all(-1);
    return within.logical_and(inside);
  };
  return image;
}

DistributionPtr TransformedDistribution::expand(IntArrayRef batch_shape) const {
  check_expands(batch_shape);
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
  if (!has_rsample()) return Distribution::do_rsample(sample_shape, random);
  return transform_(base_->rsample(sample_shape, random));
}

Tensor TransformedDistribution::scale(const char* method) const {
  Tensor product = at::ones({}, base_->options());
  for (const AnyTransform& part : transforms()) {
    const auto* affine = dynamic_cast<const AffineTransform*>(part.ptr().get());
    if (affine == nullptr) unavailable(method, "its transforms are not all affine");
    product = product * affine->scale().to(product.options());
  }
  return product;
}

Tensor TransformedDistribution::mean() const {
  (void)scale("mean");
  return transform_(base_->mean());
}

Tensor TransformedDistribution::mode() const {
  (void)scale("mode");
  return transform_(base_->mode());
}

Tensor TransformedDistribution::variance() const {
  return base_->variance() * scale("variance").square();
}

Tensor TransformedDistribution::entropy() const {
  if (!transform_.bijective()) unavailable("entropy", "its transforms are not bijective");
  if (is_discrete()) return base_->entropy();
  const Tensor log_scale =
      scale("entropy").abs().log().expand(concatenate(base_->batch_shape(), base_->event_shape()));
  return base_->entropy() +
         sum_rightmost(log_scale, static_cast<std::int64_t>(event_shape().size()));
}

Tensor TransformedDistribution::preimage(const Tensor& value) const {
  return on_support(transform_.inverse(value), value);
}

Tensor TransformedDistribution::on_support(const Tensor& x, const Tensor& value) const {
  const Constraint base = base_->support();
  if (!base.is_discrete && !base.lower.defined() && !base.upper.defined()) return x;
  Tensor nearest = base.is_discrete ? x.round() : x;
  if (base.lower.defined()) nearest = at::maximum(nearest, base.lower.to(x.options()));
  if (base.upper.defined()) nearest = at::minimum(nearest, base.upper.to(x.options()));
  if (at::equal(nearest, x)) return x;
  const Tensor there = transform_(nearest);
  const double slack = 8 * std::max(epsilon(there.scalar_type()), epsilon(value.scalar_type()));
  const Tensor close = (there - value).abs() <= slack * at::maximum(there.abs(), value.abs());
  return at::where(close.logical_and(nearest != x), nearest, x);
}

Tensor TransformedDistribution::do_log_prob(const Tensor& value) const {
  if (is_discrete()) {
    return sum_rightmost(base_->log_prob_anywhere(preimage(value)),
                         static_cast<std::int64_t>(event_shape().size()) -
                             static_cast<std::int64_t>(base_->event_shape().size()));
  }
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
  const Tensor log_prob =
      sum_rightmost(base_->log_prob_anywhere(on_support(y, value)),
                    event_dims - static_cast<std::int64_t>(base_->event_shape().size()));
  if (!log_det.defined()) return log_prob;
  // At an end of the support the Jacobian may be infinite too.
  return (log_prob - log_det).masked_fill(log_prob == -kInfinity, -kInfinity);
}

Tensor TransformedDistribution::by_direction(
    const Tensor& x, const std::function<Tensor(const Tensor&)>& rising,
    const std::function<Tensor(const Tensor&)>& falling) const {
  if (!event_shape().empty()) unavailable("cdf", "only univariate distributions have one here");
  const Tensor rises = (transform_.sign() > 0).to(x.device());
  if (rises.all().item<bool>()) return rising(x);
  if (!rises.any().item<bool>()) return falling(x);
  return at::where(rises, rising(x), falling(x));
}

// Y <= y where X <= x if the transforms rise, and where X >= x if they fall.

Tensor TransformedDistribution::do_cdf(const Tensor& value) const {
  return by_direction(
      preimage(value), [&](const Tensor& x) { return base_->cdf_anywhere(x); },
      [&](const Tensor& x) { return base_->do_log_survival_from(x).exp(); });
}

Tensor TransformedDistribution::do_log_cdf(const Tensor& value) const {
  return by_direction(
      preimage(value), [&](const Tensor& x) { return base_->log_cdf_anywhere(x); },
      [&](const Tensor& x) { return base_->do_log_survival_from(x); });
}

Tensor TransformedDistribution::do_log_survival(const Tensor& value) const {
  return by_direction(
      preimage(value), [&](const Tensor& x) { return base_->log_survival_anywhere(x); },
      [&](const Tensor& x) { return base_->do_log_cdf_below(x); });
}

Tensor TransformedDistribution::do_log_cdf_below(const Tensor& value) const {
  return by_direction(
      preimage(value), [&](const Tensor& x) { return base_->do_log_cdf_below(x); },
      [&](const Tensor& x) { return base_->log_survival_anywhere(x); });
}

Tensor TransformedDistribution::do_log_survival_from(const Tensor& value) const {
  return by_direction(
      preimage(value), [&](const Tensor& x) { return base_->do_log_survival_from(x); },
      [&](const Tensor& x) { return base_->log_cdf_anywhere(x); });
}

Tensor TransformedDistribution::rounded(const Tensor& value, bool up) const {
  const auto down_there = [&](const Tensor& x) { return base_->rounded_down(x); };
  const auto up_there = [&](const Tensor& x) { return base_->rounded_up(x); };
  const Tensor x = preimage(value);
  const Tensor y = transform_(up ? by_direction(x, up_there, down_there)
                                 : by_direction(x, down_there, up_there));
  // What no number maps to stays outside.
  return at::where(x.isnan(), value, y.to(value.scalar_type()));
}

Tensor TransformedDistribution::upper_end(const Tensor& probability) const {
  if (!is_discrete()) return base_->do_isf(probability);
  // That beyond which less remains, not even as much: by more than isf() takes for rounding. For
  // probability 0, the largest of all.
  return base_->do_isf(probability * (1 - 3 * probability_slack(probability.scalar_type())));
}

Tensor TransformedDistribution::do_icdf(const Tensor& probability) const {
  return transform_(by_direction(
      probability, [&](const Tensor& p) { return base_->do_icdf(p); },
      [&](const Tensor& p) { return upper_end(p); }));
}

Tensor TransformedDistribution::do_isf(const Tensor& probability) const {
  // Where the transforms fall, the largest x with P(X < x) <= q: the least with P(X <= x) > q.
  return transform_(by_direction(
      probability, [&](const Tensor& q) { return base_->do_isf(q); },
      [&](const Tensor& q) {
        if (!is_discrete()) return base_->do_icdf(q);
        return base_->do_icdf((q * (1 + 3 * probability_slack(q.scalar_type()))).clamp_max(1));
      }));
}

}  // namespace partita::distributions
