// SPDX-License-Identifier: Apache-2.0
// The Pareto distribution of type I.
//
//   Pareto(1, 3).log_survival(x)
//   Pareto(scale, alpha).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Pareto(scale, alpha), both > 0: P(X > x) = (scale / x)^alpha for x >= scale.
class Pareto : public Distribution {
 public:
  Pareto(const TensorOrNumber& scale, const TensorOrNumber& alpha, bool validate_args = true);

  const Tensor& scale() const { return parameter(0); }
  const Tensor& alpha() const { return parameter(1); }

  Constraint support() const override { return constraints::greater_than_eq(scale(), "scale"); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  /// +inf for alpha <= 1.
  Tensor mean() const override;
  Tensor mode() const override { return scale(); }
  /// +inf for alpha <= 2.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Pareto>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
