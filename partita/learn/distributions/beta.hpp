// SPDX-License-Identifier: Apache-2.0
// The beta distribution.
//
//   Beta(2, 3).rsample({64}, random)                        // numbers between 0 and 1
//   Beta(0.5, 0.5).cdf(x)                                   // the incomplete beta function
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Beta(concentration1, concentration0): density x^(c1 - 1) (1 - x)^(c0 - 1) / B(c1, c0) on [0, 1],
/// for c1, c0 > 0.
///
/// Draws are made on the logit scale, are never 0 or 1, however small the concentrations, and have
/// the implicit gradient. cdf, log_cdf and log_survival have first derivatives with respect to the
/// value and both parameters. (Python has no cdf.)
class Beta : public Distribution {
 public:
  Beta(const TensorOrNumber& concentration1, const TensorOrNumber& concentration0,
       bool validate_args = true);

  const Tensor& concentration1() const { return parameter(0); }
  const Tensor& concentration0() const { return parameter(1); }

  Constraint support() const override { return constraints::unit_interval(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// Where neither concentration exceeds 1, the density peaks at both ends: the steeper one, or 1
  /// if they are equal (Python: always 1); NaN for the uniform Beta(1, 1).
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Beta>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
};

}  // namespace partita::distributions
