// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/cumulative_distribution_transform.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"

namespace partita::distributions {

CumulativeDistributionTransform::CumulativeDistributionTransform(
    const AnyDistribution& distribution)
    : distribution_(distribution.ptr()) {
  if (distribution_->event_shape().empty() && !distribution_->support().is_discrete) return;
  throw InvalidArgument("distribution",
                        fmt::format("CumulativeDistributionTransform: expected a univariate "
                                    "continuous distribution, got {}",
                                    distribution_->to_string()));
}

std::string CumulativeDistributionTransform::name() const {
  return fmt::format("CumulativeDistributionTransform({})", distribution_->to_string());
}

Tensor CumulativeDistributionTransform::sign() const { return at::scalar_tensor(1.0, at::kDouble); }

Tensor CumulativeDistributionTransform::log_abs_det_jacobian(const Tensor& x,
                                                             const Tensor& /*y*/) const {
  return distribution_->log_prob(x);
}

Shape CumulativeDistributionTransform::forward_shape(IntArrayRef shape) const {
  return at::infer_size(shape, distribution_->batch_shape());
}

bool CumulativeDistributionTransform::equals(const Transform& other) const {
  const auto* cdf = dynamic_cast<const CumulativeDistributionTransform*>(&other);
  return cdf != nullptr && distribution_ == cdf->distribution_;
}

}  // namespace partita::distributions
