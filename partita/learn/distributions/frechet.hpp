// SPDX-License-Identifier: Apache-2.0
// The Fréchet distribution: of the largest of many values with a heavy tail.
//
//   Frechet(1, 2).log_survival(x)
//   Frechet(scale, concentration).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Frechet(scale, concentration), both > 0: P(X <= x) = exp(-(x / scale)^-concentration), x > 0. 1
/// / X is Weibull(1 / scale, concentration), and X GeneralizedExtremeValue(scale, scale /
/// concentration, 1 / concentration).
class Frechet : public Distribution {
 public:
  Frechet(const TensorOrNumber& scale, const TensorOrNumber& concentration,
          bool validate_args = true);

  const Tensor& scale() const { return parameter(0); }
  const Tensor& concentration() const { return parameter(1); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  /// +inf for concentration <= 1.
  Tensor mean() const override;
  Tensor mode() const override;
  /// +inf for concentration <= 2.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Frechet>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// -concentration log(value / scale), of which e^ is exponential of rate 1.
  Tensor log_exponential(const Tensor& value) const;
};

}  // namespace partita::distributions
