// SPDX-License-Identifier: Apache-2.0
// Maps of random variables, with inverses and Jacobians; the names are those of Python's
// torch.distributions.transforms.
//
//   ExpTransform exp;
//   Tensor y = exp(x);
//   exp.inverse(y);
//   exp.log_abs_det_jacobian(x, y);              // log |dy / dx|, here x
//   ComposeTransform({SigmoidTransform().inv(), AffineTransform(loc, scale)})(u)
//
// A transform maps values of its domain to values of its codomain. The event_dim of either tells
// how many of the last dimensions make up one value; log_abs_det_jacobian sums over them.
// Transforms are values: cheap to copy, and never change. Those of vectors and matrices are in
// vector_transforms.hpp, those of parts of a value in part_transforms.hpp.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::distributions {

class Transform;
using TransformPtr = std::shared_ptr<const Transform>;

class Transform {
 public:
  virtual ~Transform() = default;

  virtual std::string name() const = 0;
  virtual Constraint domain() const = 0;
  virtual Constraint codomain() const = 0;
  /// Whether inverse() undoes the transform. If not, inverse() returns one of the values that map
  /// to y, and there is no Jacobian.
  virtual bool bijective() const { return true; }
  /// +1 where it increases, -1 where it decreases; of shape [] or that of its parameters.
  /// @throws InvalidArgument unless it is univariate and bijective. Likewise log_abs_det_jacobian.
  virtual Tensor sign() const;

  Tensor operator()(const Tensor& x) const { return forward(x); }
  virtual Tensor inverse(const Tensor& y) const = 0;
  /// log |det dy/dx| for y = (*this)(x), without the event dimensions of x. Each formula uses
  /// whichever of x and y keeps the digits.
  virtual Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const;

  /// The shape of (*this)(x) for an x of this shape, and the reverse.
  virtual Shape forward_shape(IntArrayRef shape) const { return shape.vec(); }
  virtual Shape inverse_shape(IntArrayRef shape) const { return shape.vec(); }

  /// The inverse as a transform.
  virtual TransformPtr inv() const;
  /// The same map, which remembers its last x and y: inverse() of that y (the same tensor,
  /// unchanged) is that x, without the rounding of there and back, and its gradient; so is the
  /// reverse. (Python's with_cache(1).) May be shared by threads.
  TransformPtr with_cache() const;

  /// Whether `other` is the same map: of the same kind, with equal parameters.
  virtual bool equals(const Transform& other) const;

 protected:
  Transform() = default;
  Transform(const Transform&) = default;
  Transform(Transform&&) = default;
  Transform& operator=(const Transform&) = default;
  Transform& operator=(Transform&&) = default;

  virtual TransformPtr clone() const = 0;
  virtual Tensor forward(const Tensor& x) const = 0;
  [[noreturn]] void unavailable(const char* method) const;

 private:
  friend class InverseTransform;
  friend class CachedTransform;
};

/// Any transform by value, or the result of inv().
class AnyTransform {
 public:
  AnyTransform(TransformPtr transform)  // NOLINT(google-explicit-constructor)
      : transform_(std::move(transform)) {}
  template <std::derived_from<Transform> T>
  AnyTransform(const T& transform)  // NOLINT(google-explicit-constructor)
      : transform_(std::make_shared<T>(transform)) {}

  const TransformPtr& ptr() const { return transform_; }

 private:
  TransformPtr transform_;
};

/// y = exp(x).
class ExpTransform : public Transform {
 public:
  std::string name() const override { return "ExpTransform"; }
  Constraint domain() const override { return constraints::real(); }
  Constraint codomain() const override { return constraints::positive(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<ExpTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// y = x^exponent, x > 0, exponent != 0. (Python takes the sign to be +1 for a negative exponent.)
class PowerTransform : public Transform {
 public:
  explicit PowerTransform(const TensorOrNumber& exponent);

  const Tensor& exponent() const { return exponent_; }

  std::string name() const override { return "PowerTransform"; }
  Constraint domain() const override { return constraints::positive(); }
  Constraint codomain() const override { return constraints::positive(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override { return forward_shape(shape); }
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<PowerTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  Tensor exponent_;
};

/// y = 1 / (1 + exp(-x)). The inverse treats 0 and 1 as the nearest numbers inside (for 0, the
/// smallest normal one), since they were rounded: it is finite.
class SigmoidTransform : public Transform {
 public:
  std::string name() const override { return "SigmoidTransform"; }
  Constraint domain() const override { return constraints::real(); }
  Constraint codomain() const override { return constraints::unit_interval(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<SigmoidTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// y = log(1 + exp(x)), to full precision on either side of 0.
class SoftplusTransform : public Transform {
 public:
  std::string name() const override { return "SoftplusTransform"; }
  Constraint domain() const override { return constraints::real(); }
  Constraint codomain() const override { return constraints::positive(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<SoftplusTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// y = tanh(x). The inverse treats -1 and 1 as the nearest numbers inside. (Python's is infinite.)
class TanhTransform : public Transform {
 public:
  std::string name() const override { return "TanhTransform"; }
  Constraint domain() const override { return constraints::real(); }
  Constraint codomain() const override;
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<TanhTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// y = |x|; not bijective: its inverse is y.
class AbsTransform : public Transform {
 public:
  std::string name() const override { return "AbsTransform"; }
  Constraint domain() const override { return constraints::real(); }
  Constraint codomain() const override { return constraints::nonnegative(); }
  bool bijective() const override { return false; }
  Tensor inverse(const Tensor& y) const override { return y; }

 protected:
  TransformPtr clone() const override { return std::make_shared<AbsTransform>(*this); }
  Tensor forward(const Tensor& x) const override;
};

/// y = loc + scale x, scale != 0, with the last event_dim dimensions as one value.
class AffineTransform : public Transform {
 public:
  AffineTransform(const TensorOrNumber& loc, const TensorOrNumber& scale,
                  std::int64_t event_dim = 0);

  const Tensor& loc() const { return loc_; }
  const Tensor& scale() const { return scale_; }

  std::string name() const override { return "AffineTransform"; }
  Constraint domain() const override;
  Constraint codomain() const override { return domain(); }
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override { return forward_shape(shape); }
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<AffineTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  Tensor loc_;
  Tensor scale_;
  std::int64_t event_dim_;
};

/// The parts applied in order, the first one first; without parts, the identity.
class ComposeTransform : public Transform {
 public:
  explicit ComposeTransform(std::vector<AnyTransform> parts);

  const std::vector<AnyTransform>& parts() const { return parts_; }

  std::string name() const override;
  Constraint domain() const override;
  Constraint codomain() const override;
  bool bijective() const override;
  Tensor sign() const override;
  Tensor inverse(const Tensor& y) const override;
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override;
  Shape inverse_shape(IntArrayRef shape) const override;
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<ComposeTransform>(*this); }
  Tensor forward(const Tensor& x) const override;

 private:
  std::vector<AnyTransform> parts_;
};

/// `base` with the last reinterpreted_batch_ndims batch dimensions as event dimensions: its
/// log_abs_det_jacobian is summed over them.
class IndependentTransform : public Transform {
 public:
  IndependentTransform(const AnyTransform& base, std::int64_t reinterpreted_batch_ndims);

  const Transform& base_transform() const { return *base_; }
  std::int64_t reinterpreted_batch_ndims() const { return dims_; }

  std::string name() const override;
  Constraint domain() const override;
  Constraint codomain() const override;
  bool bijective() const override { return base_->bijective(); }
  Tensor sign() const override { return base_->sign(); }
  Tensor inverse(const Tensor& y) const override { return base_->inverse(y); }
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override;
  Shape forward_shape(IntArrayRef shape) const override { return base_->forward_shape(shape); }
  Shape inverse_shape(IntArrayRef shape) const override { return base_->inverse_shape(shape); }
  bool equals(const Transform& other) const override;

 protected:
  TransformPtr clone() const override { return std::make_shared<IndependentTransform>(*this); }
  Tensor forward(const Tensor& x) const override { return (*base_)(x); }

 private:
  TransformPtr base_;
  std::int64_t dims_;
};

/// The map that changes nothing.
inline ComposeTransform identity_transform() { return ComposeTransform({}); }

}  // namespace partita::distributions
