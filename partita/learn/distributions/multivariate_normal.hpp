// SPDX-License-Identifier: Apache-2.0
// The normal distribution of vectors.
//
//   MultivariateNormal(loc, covariance_matrix)
//   MultivariateNormal(loc, PrecisionMatrix(p))
//   MultivariateNormal(loc, ScaleTril(l)).rsample({64}, random)   // loc + l epsilon
//   LowRankMultivariateNormal(loc, cov_factor, cov_diag)          // covariance W W^T + diag(d)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Marks an argument as the inverse of a covariance matrix.
struct PrecisionMatrix {
  explicit PrecisionMatrix(Tensor matrix) : value(std::move(matrix)) {}
  Tensor value;
};

/// Marks an argument as the lower triangular L of a covariance matrix L L^T, which saves its
/// factorization.
struct ScaleTril {
  explicit ScaleTril(Tensor matrix) : value(std::move(matrix)) {}
  Tensor value;
};

/// Python's arguments (covariance_matrix=None, precision_matrix=None, scale_tril=None), exactly one
/// of which is given.
class Covariance {
 public:
  enum class Form { covariance_matrix, precision_matrix, scale_tril };

  Covariance(Tensor covariance_matrix)  // NOLINT(google-explicit-constructor)
      : value_(std::move(covariance_matrix)), form_(Form::covariance_matrix) {}
  Covariance(PrecisionMatrix matrix)  // NOLINT(google-explicit-constructor)
      : value_(std::move(matrix.value)), form_(Form::precision_matrix) {}
  Covariance(ScaleTril matrix)  // NOLINT(google-explicit-constructor)
      : value_(std::move(matrix.value)), form_(Form::scale_tril) {}

  const Tensor& value() const { return value_; }
  Form form() const { return form_; }

 private:
  Tensor value_;
  Form form_;
};

/// MultivariateNormal(loc, covariance): loc is [batch_shape, D], the matrix [batch_shape, D, D],
/// symmetric and positive definite (or, as ScaleTril, lower triangular with a positive diagonal).
class MultivariateNormal : public Distribution {
 public:
  MultivariateNormal(const Tensor& loc, const Covariance& covariance, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  // [batch_shape, D, D]
  Tensor covariance_matrix() const;
  Tensor precision_matrix() const;
  Tensor scale_tril() const;

  Constraint support() const override { return constraints::real_vector(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return loc(); }
  Tensor mode() const override { return loc(); }
  /// The diagonal of covariance_matrix().
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<MultivariateNormal>(*this);
  }
  void set_type(at::ScalarType type) override {
    Distribution::set_type(type);
    scale_tril_ = scale_tril_.to(type);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  Covariance::Form form_;
  Tensor scale_tril_;  ///< not expanded to batch_shape
};

/// LowRankMultivariateNormal(loc, cov_factor, cov_diag): covariance W W^T + diag(d) with W =
/// cov_factor, [batch_shape, D, R], and d = cov_diag > 0, [batch_shape, D]. Draws, log_prob and
/// entropy cost O(D R + R^2) for each value and never form a matrix of D x D.
///
/// The quadratic form is (|y - A u|^2 + |u|^2), where y = (x - loc) / sqrt(d), A = W / sqrt(d) and
/// u solves (I + A^T A) u = A^T y: Woodbury's identity without its difference of two large numbers,
/// which costs Python its digits for small d.
class LowRankMultivariateNormal : public Distribution {
 public:
  LowRankMultivariateNormal(const Tensor& loc, const Tensor& cov_factor, const Tensor& cov_diag,
                            bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& cov_factor() const { return parameter(1); }
  const Tensor& cov_diag() const { return parameter(2); }
  // [batch_shape, D, D]
  Tensor covariance_matrix() const;
  Tensor precision_matrix() const;
  Tensor scale_tril() const;

  Constraint support() const override { return constraints::real_vector(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return loc(); }
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<LowRankMultivariateNormal>(*this);
  }
  void set_type(at::ScalarType type) override {
    Distribution::set_type(type);
    factor_ = factor_.to(type);
    capacitance_tril_ = capacitance_tril_.to(type);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// log det of the covariance, by the matrix determinant lemma.
  Tensor log_det() const;

  // Not expanded to batch_shape:
  Tensor factor_;            ///< A = W / sqrt(d), [..., D, R]
  Tensor capacitance_tril_;  ///< the Cholesky factor of I + A^T A, [..., R, R]
};

}  // namespace partita::distributions
