// SPDX-License-Identifier: Apache-2.0
// The generalized Pareto distribution: how far what exceeds a high threshold does so.
//
//   GeneralizedPareto(0, 1, 0.2).log_survival(x)
//   GeneralizedPareto(loc, scale, concentration).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// GeneralizedPareto(loc, scale, concentration), scale > 0, c = concentration any number:
///   P(X > x) = (1 + c z)^(-1 / c), z = (x - loc) / scale >= 0,
/// up to z = -1 / c if c < 0 (the uniform distribution at c = -1), and the exponential distribution
/// at c = 0, around which no digits are lost. log_prob at the upper end is that of the nearest
/// number inside, since a draw that equals it was rounded.
class GeneralizedPareto : public Distribution {
 public:
  GeneralizedPareto(const TensorOrNumber& loc, const TensorOrNumber& scale,
                    const TensorOrNumber& concentration, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }
  const Tensor& concentration() const { return parameter(2); }

  Constraint support() const override;
  bool has_rsample() const override { return true; }
  Tensor entropy() const override { return scale().log() + concentration() + 1; }
  /// +inf for concentration >= 1.
  Tensor mean() const override;
  /// loc for concentration > -1, and the upper end below; NaN for the uniform distribution.
  Tensor mode() const override;
  /// +inf for concentration >= 1/2.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<GeneralizedPareto>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// The value that a standard exponential makes.
  Tensor from_exponential(const Tensor& exponential) const;
  Tensor upper_end() const;
};

}  // namespace partita::distributions
