// SPDX-License-Identifier: Apache-2.0
// The Weibull distribution.
//
//   Weibull(1, 2).log_survival(x)
//   Weibull(scale, concentration).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Weibull(scale, concentration), both > 0: P(X > x) = exp(-(x / scale)^concentration). Its support
/// includes 0, since a draw may underflow to it.
class Weibull : public Distribution {
 public:
  Weibull(const TensorOrNumber& scale, const TensorOrNumber& concentration,
          bool validate_args = true);

  const Tensor& scale() const { return parameter(0); }
  const Tensor& concentration() const { return parameter(1); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// 0 for concentration <= 1. (Python returns scale at 1/2.)
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Weibull>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// log(-log P(X > value)) for a value > 0.
  Tensor log_hazard(const Tensor& value) const;
};

}  // namespace partita::distributions
