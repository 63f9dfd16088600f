// SPDX-License-Identifier: Apache-2.0
// A distribution's CDF as a transform.
//
//   // A Gaussian copula's marginal: normal in, beta out
//   ComposeTransform({CumulativeDistributionTransform(Normal(0, 1)),
//                     CumulativeDistributionTransform(Beta(2, 3)).inv()})
#pragma once

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/distributions/transforms.hpp"

namespace partita::distributions {

/// y = cdf(x) of a univariate continuous distribution, whose draws it makes uniform; the inverse is
/// icdf(y).
class CumulativeDistributionTransform : public Transform {
 public:
  /// @throws InvalidArgument unless the distribution is univariate and continuous.
  explicit CumulativeDistributionTransform(const AnyDistribution& distribution);

  const Distribution& distribution() const { return *distribution_; }

  std::string name() const override;
  Constraint domain() const override { return distribution_->support(); }
  Constraint codomain() const override { return constraints::unit_interval(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override { return distribution_->icdf(y); }
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override { return forward_shape(shape); }
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override {
    return std::make_shared<CumulativeDistributionTransform>(*this);
  }
  Tensor forward(const Tensor& x) const override { return distribution_->cdf(x); }

 private:
  DistributionPtr distribution_;
};

}  // namespace partita::distributions
