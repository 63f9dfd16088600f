// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/independent.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// The event shape: the last `dims` batch dimensions, then the base's own.
Shape event_shape_of(const Distribution& base, std::int64_t dims) {
  const IntArrayRef batch = base.batch_shape();
  if (dims < 0 || dims > static_cast<std::int64_t>(batch.size())) {
    throw InvalidArgument("reinterpreted_batch_ndims",
                          fmt::format("Independent: expected 0 to {}, the number of batch "
                                      "dimensions of {}, got {}",
                                      batch.size(), base.to_string(), dims));
  }
  return concatenate(batch.slice(batch.size() - static_cast<std::size_t>(dims)),
                     base.event_shape());
}

}  // namespace

Independent::Independent(const AnyDistribution& base, std::int64_t reinterpreted_batch_ndims,
                         bool validate_args)
    : Distribution("Independent", {}, event_shape_of(*base.ptr(), reinterpreted_batch_ndims),
                   validate_args),
      base_(base.ptr()),
      dims_(reinterpreted_batch_ndims) {
  const IntArrayRef batch = base_->batch_shape();
  batch_shape_ = batch.slice(0, batch.size() - static_cast<std::size_t>(dims_)).vec();
}

std::string Independent::to_string() const {
  return fmt::format("{}({}, {})", name(), base_->to_string(), dims_);
}

Constraint Independent::support() const {
  return constraints::independent(base_->support(), dims_);
}

Tensor Independent::entropy() const { return sum_rightmost(base_->entropy(), dims_); }

bool Independent::has_enumerate_support() const {
  return dims_ == 0 && base_->has_enumerate_support();
}

Tensor Independent::enumerate_support(bool expand) const {
  if (dims_ > 0) unavailable("enumerate_support", "it would be a Cartesian product");
  return base_->enumerate_support(expand);
}

DistributionPtr Independent::expand(IntArrayRef batch_shape) const {
  check_expands(batch_shape);
  auto copy = std::make_shared<Independent>(*this);
  copy->base_ = base_->expand(
      concatenate(batch_shape, event_shape().slice(0, static_cast<std::size_t>(dims_))));
  copy->batch_shape_ = batch_shape.vec();
  return copy;
}

Tensor Independent::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return base_->sample(sample_shape, random);
}

Tensor Independent::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  if (!has_rsample()) return Distribution::do_rsample(sample_shape, random);
  return base_->rsample(sample_shape, random);
}

Tensor Independent::do_log_prob(const Tensor& value) const {
  const Tensor parts = base_->log_prob_inside(value);
  const Tensor sum = sum_rightmost(parts, dims_);
  // Where one part has density 0 and another an infinite one, any answer would do but NaN.
  if (dims_ == 0 || (sum.is_cpu() && !sum.isnan().any().item<bool>())) return sum;
  const auto any = [&](const Tensor& where) {
    return sum_rightmost(where.to(parts.scalar_type()), dims_) > 0;
  };
  return sum.masked_fill(any(parts == -kInfinity) & any(parts == kInfinity), -kInfinity);
}

Tensor Independent::do_cdf(const Tensor& value) const {
  return dims_ == 0 ? base_->cdf_anywhere(value) : do_log_cdf(value).exp();
}

Tensor Independent::do_log_cdf(const Tensor& value) const {
  return sum_rightmost(base_->log_cdf_anywhere(value), dims_);
}

Tensor Independent::do_log_survival(const Tensor& value) const {
  return dims_ == 0 ? base_->log_survival_anywhere(value) : log1mexp(do_log_cdf(value));
}

Tensor Independent::do_icdf(const Tensor& probability) const {
  if (dims_ > 0) unavailable("icdf", "only univariate distributions have quantiles");
  return base_->do_icdf(probability);
}

Tensor Independent::do_isf(const Tensor& probability) const {
  if (dims_ > 0) unavailable("isf", "only univariate distributions have quantiles");
  return base_->do_isf(probability);
}

}  // namespace partita::distributions
