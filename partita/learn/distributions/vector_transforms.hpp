// SPDX-License-Identifier: Apache-2.0
// Transforms of vectors and matrices.
//
//   StickBreakingTransform()(x)                             // K - 1 numbers to probabilities of K
//   CorrCholeskyTransform()(x)                              // to a factor of a correlation matrix
#pragma once

#include "partita/learn/distributions/transforms.hpp"

namespace partita::distributions {

/// y = softmax(x), vectors to the simplex; not bijective: its inverse is log(y).
class SoftmaxTransform : public Transform {
 public:
  std::string name() const override { return "SoftmaxTransform"; }
  Constraint domain() const override { return constraints::real_vector(); }
  Constraint codomain() const override { return constraints::simplex(); }
  bool bijective() const override { return false; }
  Tensor inverse(const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<SoftmaxTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// Vectors of K - 1 numbers to the simplex of K: y_i is the share z_i of what y_1 ... y_(i-1)
/// leave, z_i = sigmoid(x_i - log(K - i)), so that 0 maps to the center. The Jacobian is that of
/// the first K - 1 coordinates. Computed from logarithms, with the remainder as the sum of the
/// entries that follow: neither underflows to NaN at the simplex's faces.
class StickBreakingTransform : public Transform {
 public:
  std::string name() const override { return "StickBreakingTransform"; }
  Constraint domain() const override { return constraints::real_vector(); }
  Constraint codomain() const override { return constraints::simplex(); }
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<StickBreakingTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// Square matrices to lower triangular ones with a positive diagonal: the entries below the
/// diagonal are kept, those on it exponentiated. Not bijective: the entries above it are dropped.
class LowerCholeskyTransform : public Transform {
 public:
  std::string name() const override { return "LowerCholeskyTransform"; }
  Constraint domain() const override { return constraints::independent(constraints::real(), 2); }
  Constraint codomain() const override { return constraints::lower_cholesky(); }
  bool bijective() const override { return false; }
  Tensor inverse(const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<LowerCholeskyTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// Vectors of D (D - 1) / 2 numbers to the Cholesky factors of correlation matrices of D variables:
/// tanh(x), row by row, are canonical partial correlations, the shares of what a row's earlier
/// entries leave of its length 1. The Jacobian is that of the entries below the diagonal. Computed
/// from logarithms of what is left, which does not cancel.
class CorrCholeskyTransform : public Transform {
 public:
  std::string name() const override { return "CorrCholeskyTransform"; }
  Constraint domain() const override { return constraints::real_vector(); }
  Constraint codomain() const override { return constraints::corr_cholesky(); }
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  /// @throws InvalidArgument unless the vector's size is D (D - 1) / 2 for some D.
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<CorrCholeskyTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// Square matrices to positive-definite ones, L L^T with L that of LowerCholeskyTransform. Not
/// bijective.
class PositiveDefiniteTransform : public Transform {
 public:
  std::string name() const override { return "PositiveDefiniteTransform"; }
  Constraint domain() const override { return constraints::independent(constraints::real(), 2); }
  Constraint codomain() const override { return constraints::positive_definite(); }
  bool bijective() const override { return false; }
  Tensor inverse(const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<PositiveDefiniteTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

}  // namespace partita::distributions
