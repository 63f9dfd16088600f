// SPDX-License-Identifier: Apache-2.0
// The generalized extreme value distribution: of the largest of many values.
//
//   GeneralizedExtremeValue(0, 1, 0.2).icdf(p)
//   GeneralizedExtremeValue(loc, scale, concentration).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// GeneralizedExtremeValue(loc, scale, concentration), scale > 0, c = concentration any number:
///   P(X <= x) = exp(-(1 + c z)^(-1 / c)), z = (x - loc) / scale,
/// where 1 + c z > 0: a Fréchet distribution for c > 0 (its support begins at z = -1 / c), Gumbel's
/// at c = 0, around which no digits are lost, and a mirrored Weibull for c < 0 (it ends at -1 / c).
/// log_prob at an end is that of the nearest number inside, since a draw that equals it was
/// rounded. (SciPy's genextreme has the opposite sign of c.)
class GeneralizedExtremeValue : public Distribution {
 public:
  GeneralizedExtremeValue(const TensorOrNumber& loc, const TensorOrNumber& scale,
                          const TensorOrNumber& concentration, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }
  const Tensor& concentration() const { return parameter(2); }

  Constraint support() const override;
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  /// +inf for concentration >= 1.
  Tensor mean() const override;
  /// The upper end for concentration <= -1.
  Tensor mode() const override;
  /// +inf for concentration >= 1/2.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<GeneralizedExtremeValue>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// The value that a standard Gumbel makes, and the reverse.
  Tensor from_gumbel(const Tensor& gumbel) const;
  Tensor gumbel_of(const Tensor& value) const;
  /// The ends of the support.
  Tensor end(bool upper) const;
};

}  // namespace partita::distributions
