// SPDX-License-Identifier: Apache-2.0
// The Cauchy distribution.
//
//   Cauchy(0, 1).log_prob(x)
//   Cauchy(0, 1).mean()                                     // NaN: there is none
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Cauchy(loc, scale): density 1 / (pi scale (1 + ((x - loc) / scale)^2)); scale > 0 is half the
/// width at half the maximum. cdf and icdf keep their relative precision in both tails, and
/// log_prob does not overflow (Python's is -inf from |x| = 1.8e19 in single precision).
class Cauchy : public Distribution {
 public:
  Cauchy(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;  ///< NaN
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;  ///< +inf

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Cauchy>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
