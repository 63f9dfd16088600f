// SPDX-License-Identifier: Apache-2.0
// The Wishart distribution: of the scatter matrix of normal vectors.
//
//   Wishart(5, covariance).rsample({64}, random)            // positive-definite matrices
//   Wishart(df, ScaleTril(l)).log_prob(x)
#pragma once

#include "partita/learn/distributions/multivariate_normal.hpp"

namespace partita::distributions {

/// Wishart(df, covariance), the matrix [batch_shape, D, D] as for MultivariateNormal: the sum of x
/// x^T of df normal vectors x of this covariance if df is whole, and for any df > D - 1
///   p(X) proportional to det(X)^((df - D - 1) / 2) exp(-tr(covariance^-1 X) / 2).
///
/// Draws are by Bartlett's decomposition, with gradients with respect to df (implicit) and the
/// matrix. One that is singular in its type, as many are for df near D - 1, has its diagonal raised
/// until it is not.
class Wishart : public Distribution {
 public:
  Wishart(const TensorOrNumber& df, const Covariance& covariance, bool validate_args = true);

  const Tensor& df() const { return parameter(0); }
  Tensor scale_tril() const;
  Tensor covariance_matrix() const;
  Tensor precision_matrix() const;

  Constraint support() const override { return constraints::positive_definite(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// NaN for df < D + 1.
  Tensor mode() const override;
  /// The variance of each entry.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Wishart>(*this); }
  Tensor narrowed(const Tensor& draws) const override;
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// df, df - 1, ... df - D + 1, halved and in double: [batch_shape, D].
  Tensor half_degrees() const;
  /// D log 2 df / 2 + log det(covariance) df / 2 + log Gamma_D(df / 2).
  Tensor log_normalizer() const;
  std::int64_t size() const { return event_shape()[0]; }

  Covariance::Form form_;
};

}  // namespace partita::distributions
