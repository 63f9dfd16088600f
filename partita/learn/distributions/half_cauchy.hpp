// SPDX-License-Identifier: Apache-2.0
// The half-Cauchy distribution.
//
//   HalfCauchy(scale).rsample({64}, random)      // |scale * Cauchy|
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// HalfCauchy(scale): |X|, X ~ Cauchy(0, scale), scale > 0: density 2 / (pi scale (1 + (x /
/// scale)^2)), x >= 0.
///
/// Neither large values nor probabilities near 0 or 1 lose digits: icdf(1) is +inf (Python: 1e16).
class HalfCauchy : public Distribution {
 public:
  explicit HalfCauchy(const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& scale() const { return parameter(0); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  /// +inf.
  Tensor mean() const override;
  Tensor mode() const override;
  /// +inf.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<HalfCauchy>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
