// SPDX-License-Identifier: Apache-2.0
// The inverse gamma distribution: that of 1 / X for a gamma-distributed X.
//
//   InverseGamma(concentration, rate).rsample({64}, random)  // a prior for a variance
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// InverseGamma(concentration, rate): density rate^c x^(-c - 1) exp(-rate / x) / Gamma(c) on x > 0,
/// where c = concentration > 0 and rate > 0; 1 / X for X ~ Gamma(concentration, rate), as in torch
/// 2. Draws and cdf as for Gamma.
class InverseGamma : public Distribution {
 public:
  InverseGamma(const TensorOrNumber& concentration, const TensorOrNumber& rate,
               bool validate_args = true);

  const Tensor& concentration() const { return parameter(0); }
  const Tensor& rate() const { return parameter(1); }

  Constraint support() const override { return constraints::positive(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;  ///< +inf where concentration <= 1
  Tensor mode() const override { return rate() / (concentration() + 1); }
  Tensor variance() const override;  ///< +inf where concentration <= 2

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<InverseGamma>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
};

}  // namespace partita::distributions
