// SPDX-License-Identifier: Apache-2.0
// Transforms of the parts of a value, each its own, and of its shape.
//
//   CatTransform({ExpTransform(), SigmoidTransform()}, -1, {2, 3})(x)   // of 2 + 3 numbers
//   ReshapeTransform({6}, {2, 3})(x)
#pragma once

#include "partita/learn/distributions/transforms.hpp"

namespace partita::distributions {

/// The same numbers in another shape: in_shape, the last dimensions of x, becomes out_shape.
class ReshapeTransform : public Transform {
 public:
  /// @throws InvalidArgument unless both have the same number of entries.
  ReshapeTransform(IntArrayRef in_shape, IntArrayRef out_shape);

  IntArrayRef in_shape() const { return in_shape_; }
  IntArrayRef out_shape() const { return out_shape_; }

  std::string name() const override { return "ReshapeTransform"; }
  Constraint domain() const override;
  Constraint codomain() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override;
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<ReshapeTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  Shape in_shape_;
  Shape out_shape_;
};

/// Each transform on its stretch of dimension `dim`, of the given lengths (1 each if empty), which
/// it must keep.
class CatTransform : public Transform {
 public:
  /// @throws InvalidArgument if there is no transform, or not as many lengths.
  explicit CatTransform(std::vector<AnyTransform> transforms, std::int64_t dim = 0,
                        std::vector<std::int64_t> lengths = {});

  const std::vector<AnyTransform>& transforms() const { return transforms_; }

  std::string name() const override;
  Constraint domain() const override;
  Constraint codomain() const override;
  bool bijective() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<CatTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  /// The stretches of x. @throws InvalidArgument if `dim` is not as long as all of them.
  std::vector<Tensor> parts(const Tensor& x) const;

  std::vector<AnyTransform> transforms_;
  std::int64_t dim_;
  std::vector<std::int64_t> lengths_;
};

/// The i-th transform on the i-th index of dimension `dim`.
class StackTransform : public Transform {
 public:
  /// @throws InvalidArgument if there is no transform.
  explicit StackTransform(std::vector<AnyTransform> transforms, std::int64_t dim = 0);

  const std::vector<AnyTransform>& transforms() const { return transforms_; }

  std::string name() const override;
  Constraint domain() const override;
  Constraint codomain() const override;
  bool bijective() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<StackTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  /// @throws InvalidArgument if `dim` has not as many entries as there are transforms.
  std::vector<Tensor> parts(const Tensor& x) const;

  std::vector<AnyTransform> transforms_;
  std::int64_t dim_;
};

}  // namespace partita::distributions
