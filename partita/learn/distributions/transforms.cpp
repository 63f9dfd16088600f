// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/transforms.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <optional>
#include <typeinfo>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }

/// A number keeps all its digits until it meets a value of some type.
Tensor as_parameter(const char* name, const TensorOrNumber& argument) {
  return argument.is_number() ? argument.tensor() : as_tensors({{name, argument}})[0];
}

/// A parameter of no dimensions takes the type and device of what it is applied to.
Tensor like(const Tensor& parameter, const Tensor& value) {
  return parameter.dim() == 0 ? parameter.to(value.options()) : parameter;
}

}  // namespace

// The inverse of another transform, made only by inv().
class InverseTransform : public Transform {
 public:
  explicit InverseTransform(TransformPtr base) : base_(std::move(base)) {}

  std::string name() const override { return base_->name() + ".inv"; }
  Constraint domain() const override { return base_->codomain(); }
  Constraint codomain() const override { return base_->domain(); }
  bool bijective() const override { return base_->bijective(); }
  Tensor sign() const override { return base_->sign(); }
  Tensor inverse(const Tensor& y) const override { return base_->forward(y); }
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override {
    return -base_->log_abs_det_jacobian(y, x);
  }
  Shape forward_shape(IntArrayRef shape) const override { return base_->inverse_shape(shape); }
  Shape inverse_shape(IntArrayRef shape) const override { return base_->forward_shape(shape); }
  TransformPtr inv() const override { return base_; }
  bool equals(const Transform& other) const override {
    const auto* inverse = dynamic_cast<const InverseTransform*>(&other);
    return inverse != nullptr && base_->equals(*inverse->base_);
  }

 protected:
  TransformPtr clone() const override { return std::make_shared<InverseTransform>(*this); }
  Tensor forward(const Tensor& x) const override { return base_->inverse(x); }

 private:
  TransformPtr base_;
};

void Transform::unavailable(const char* method) const {
  throw InvalidArgument(method, fmt::format("not available for {}", name()));
}

Tensor Transform::sign() const { unavailable("sign"); }

Tensor Transform::log_abs_det_jacobian(const Tensor& /*x*/, const Tensor& /*y*/) const {
  unavailable("log_abs_det_jacobian");
}

// Another transform and its last x and y, made only by with_cache().
class CachedTransform : public Transform {
 public:
  explicit CachedTransform(TransformPtr base)
      : base_(std::move(base)), last_(std::make_shared<Last>()) {}

  std::string name() const override { return base_->name(); }
  Constraint domain() const override { return base_->domain(); }
  Constraint codomain() const override { return base_->codomain(); }
  bool bijective() const override { return base_->bijective(); }
  Tensor sign() const override { return base_->sign(); }
  Tensor inverse(const Tensor& y) const override {
    if (const auto known = find(y, &Last::y, &Last::x)) return *known;
    return remember(base_->inverse(y), y).first;
  }
  Tensor log_abs_det_jacobian(const Tensor& x, const Tensor& y) const override {
    return base_->log_abs_det_jacobian(x, y);
  }
  Shape forward_shape(IntArrayRef shape) const override { return base_->forward_shape(shape); }
  Shape inverse_shape(IntArrayRef shape) const override { return base_->inverse_shape(shape); }
  bool equals(const Transform& other) const override {
    const auto* cached = dynamic_cast<const CachedTransform*>(&other);
    return base_->equals(cached == nullptr ? other : *cached->base_);
  }

 protected:
  TransformPtr clone() const override { return std::make_shared<CachedTransform>(*this); }
  Tensor forward(const Tensor& x) const override {
    if (const auto known = find(x, &Last::x, &Last::y)) return *known;
    return remember(x, base_->forward(x)).second;
  }

 private:
  struct Last {
    std::mutex mutex;
    Tensor x;
    Tensor y;
    std::int64_t version_of_x = 0;
    std::int64_t version_of_y = 0;
  };

  std::optional<Tensor> find(const Tensor& one, Tensor Last::*same, Tensor Last::*other) const {
    const std::lock_guard lock(last_->mutex);
    const bool known = last_->x.defined() && (*last_.*same).is_same(one) &&
                       last_->x._version() == last_->version_of_x &&
                       last_->y._version() == last_->version_of_y;
    return known ? std::optional(*last_.*other) : std::nullopt;
  }

  std::pair<Tensor, Tensor> remember(const Tensor& x, const Tensor& y) const {
    const std::lock_guard lock(last_->mutex);
    last_->x = x;
    last_->y = y;
    last_->version_of_x = x._version();
    last_->version_of_y = y._version();
    return {x, y};
  }

  TransformPtr base_;
  std::shared_ptr<Last> last_;
};

TransformPtr Transform::with_cache() const { return std::make_shared<CachedTransform>(clone()); }

TransformPtr Transform::inv() const { return std::make_shared<InverseTransform>(clone()); }

bool Transform::equals(const Transform& other) const { return typeid(*this) == typeid(other); }

// --- Elementwise --------------------------------------------------------------------------------

Tensor ExpTransform::sign() const { return number(1); }
Tensor ExpTransform::forward(const Tensor& x) const { return x.exp(); }
Tensor ExpTransform::inverse(const Tensor& y) const { return y.log(); }
Tensor ExpTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const { return x; }

PowerTransform::PowerTransform(const TensorOrNumber& exponent)
    : exponent_(as_parameter("exponent", exponent)) {
  if ((exponent_ == 0).any().item<bool>()) {
    throw InvalidArgument("exponent", "PowerTransform: expected a number other than 0, got 0");
  }
}

Tensor PowerTransform::sign() const { return exponent_.detach().sign(); }
Tensor PowerTransform::forward(const Tensor& x) const { return x.pow(like(exponent_, x)); }
Tensor PowerTransform::inverse(const Tensor& y) const {
  return y.pow(like(exponent_, y).reciprocal());
}

Tensor PowerTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  const Tensor exponent = like(exponent_, x);
  return exponent.abs().log() + at::xlogy(exponent - 1, x);
}

Shape PowerTransform::forward_shape(IntArrayRef shape) const {
  return at::infer_size(shape, exponent_.sizes());
}

bool PowerTransform::equals(const Transform& other) const {
  const auto* power = dynamic_cast<const PowerTransform*>(&other);
  return power != nullptr && exponent_.equal(power->exponent_);
}

Tensor SigmoidTransform::sign() const { return number(1); }
Tensor SigmoidTransform::forward(const Tensor& x) const { return x.sigmoid(); }

Tensor SigmoidTransform::inverse(const Tensor& y) const {
  const at::ScalarType type = y.scalar_type();
  return at::logit(y.clamp(smallest_normal(type), 1 - epsilon(type) / 2));
}

Tensor SigmoidTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  return at::log_sigmoid(x) + at::log_sigmoid(-x);
}

Tensor SoftplusTransform::sign() const { return number(1); }
Tensor SoftplusTransform::forward(const Tensor& x) const { return -at::log_sigmoid(-x); }
Tensor SoftplusTransform::inverse(const Tensor& y) const { return y + log1mexp(-y); }
Tensor SoftplusTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  return at::log_sigmoid(x);
}

Constraint TanhTransform::codomain() const {
  return constraints::interval(number(-1), number(1), "[-1, 1]");
}

Tensor TanhTransform::sign() const { return number(1); }
Tensor TanhTransform::forward(const Tensor& x) const { return x.tanh(); }

Tensor TanhTransform::inverse(const Tensor& y) const {
  const double largest = 1 - epsilon(y.scalar_type()) / 2;
  return at::atanh(y.clamp(-largest, largest));
}

Tensor TanhTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  // log(1 - tanh(x)^2) = log(4 / (e^x + e^-x)^2), which is even.
  const Tensor size = x.abs();
  return 2 * (std::numbers::ln2 - size - at::log1p((-2 * size).exp()));
}

Tensor AbsTransform::forward(const Tensor& x) const { return x.abs(); }

AffineTransform::AffineTransform(const TensorOrNumber& loc, const TensorOrNumber& scale,
                                 std::int64_t event_dim)
    : loc_(as_parameter("loc", loc)), scale_(as_parameter("scale", scale)), event_dim_(event_dim) {
  if ((scale_ == 0).any().item<bool>()) {
    throw InvalidArgument("scale", "AffineTransform: expected a number other than 0, got 0");
  }
}

Constraint AffineTransform::domain() const {
  return constraints::independent(constraints::real(), event_dim_);
}

Tensor AffineTransform::sign() const { return scale_.detach().sign(); }
Tensor AffineTransform::forward(const Tensor& x) const {
  return like(loc_, x) + like(scale_, x) * x;
}
Tensor AffineTransform::inverse(const Tensor& y) const {
  return (y - like(loc_, y)) / like(scale_, y);
}

Tensor AffineTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  return sum_rightmost(like(scale_, x).abs().log().expand(forward_shape(x.sizes())), event_dim_);
}

Shape AffineTransform::forward_shape(IntArrayRef shape) const {
  return at::infer_size(at::infer_size(shape, loc_.sizes()), scale_.sizes());
}

bool AffineTransform::equals(const Transform& other) const {
  const auto* affine = dynamic_cast<const AffineTransform*>(&other);
  return affine != nullptr && event_dim_ == affine->event_dim_ && loc_.equal(affine->loc_) &&
         scale_.equal(affine->scale_);
}

// --- Of other transforms ------------------------------------------------------------------------

ComposeTransform::ComposeTransform(std::vector<AnyTransform> parts) : parts_(std::move(parts)) {}

std::string ComposeTransform::name() const {
  std::vector<std::string> names;
  for (const AnyTransform& part : parts_) names.push_back(part.ptr()->name());
  return fmt::format("ComposeTransform([{}])", fmt::join(names, ", "));
}

// A part may act on more dimensions than the ones before and after it; all of them then belong to
// the value of the whole.

Constraint ComposeTransform::domain() const {
  if (parts_.empty()) return constraints::real();
  std::int64_t dims = parts_.back().ptr()->codomain().event_dim;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    const std::int64_t before = part->ptr()->domain().event_dim;
    dims = std::max(dims + before - part->ptr()->codomain().event_dim, before);
  }
  const Constraint domain = parts_.front().ptr()->domain();
  return constraints::independent(domain, dims - domain.event_dim);
}

Constraint ComposeTransform::codomain() const {
  if (parts_.empty()) return constraints::real();
  std::int64_t dims = parts_.front().ptr()->domain().event_dim;
  for (const AnyTransform& part : parts_) {
    const std::int64_t after = part.ptr()->codomain().event_dim;
    dims = std::max(dims + after - part.ptr()->domain().event_dim, after);
  }
  const Constraint codomain = parts_.back().ptr()->codomain();
  return constraints::independent(codomain, dims - codomain.event_dim);
}

bool ComposeTransform::bijective() const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [](const AnyTransform& part) { return part.ptr()->bijective(); });
}

Tensor ComposeTransform::sign() const {
  Tensor sign = number(1);
  for (const AnyTransform& part : parts_) sign = sign * part.ptr()->sign();
  return sign;
}

Tensor ComposeTransform::forward(const Tensor& x) const {
  Tensor y = x;
  for (const AnyTransform& part : parts_) y = (*part.ptr())(y);
  return y;
}

Tensor ComposeTransform::inverse(const Tensor& y) const {
  Tensor x = y;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) x = part->ptr()->inverse(x);
  return x;
}

Tensor ComposeTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& y) const {
  if (parts_.empty()) return at::zeros_like(x);
  std::int64_t dims = domain().event_dim;
  Tensor from = x;
  Tensor sum;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Transform& part = *parts_[i].ptr();
    const Tensor to = i + 1 == parts_.size() ? y : part(from);
    const std::int64_t before = part.domain().event_dim;
    const Tensor term = sum_rightmost(part.log_abs_det_jacobian(from, to), dims - before);
    sum = sum.defined() ? sum + term : term;
    dims += part.codomain().event_dim - before;
    from = to;
  }
  return sum;
}

Shape ComposeTransform::forward_shape(IntArrayRef shape) const {
  Shape result = shape.vec();
  for (const AnyTransform& part : parts_) result = part.ptr()->forward_shape(result);
  return result;
}

Shape ComposeTransform::inverse_shape(IntArrayRef shape) const {
  Shape result = shape.vec();
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    result = part->ptr()->inverse_shape(result);
  }
  return result;
}

bool ComposeTransform::equals(const Transform& other) const {
  const auto* composed = dynamic_cast<const ComposeTransform*>(&other);
  return composed != nullptr &&
         std::equal(parts_.begin(), parts_.end(), composed->parts_.begin(), composed->parts_.end(),
                    [](const AnyTransform& a, const AnyTransform& b) {
                      return a.ptr()->equals(*b.ptr());
                    });
}

IndependentTransform::IndependentTransform(const AnyTransform& base,
                                           std::int64_t reinterpreted_batch_ndims)
    : base_(base.ptr()), dims_(reinterpreted_batch_ndims) {
  if (dims_ < 0) {
    throw InvalidArgument("reinterpreted_batch_ndims",
                          fmt::format("IndependentTransform: expected 0 or more, got {}", dims_));
  }
}

std::string IndependentTransform::name() const {
  return fmt::format("IndependentTransform({}, {})", base_->name(), dims_);
}

Constraint IndependentTransform::domain() const {
  return constraints::independent(base_->domain(), dims_);
}

Constraint IndependentTransform::codomain() const {
  return constraints::independent(base_->codomain(), dims_);
}

Tensor IndependentTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& y) const {
  return sum_rightmost(base_->log_abs_det_jacobian(x, y), dims_);
}

bool IndependentTransform::equals(const Transform& other) const {
  const auto* independent = dynamic_cast<const IndependentTransform*>(&other);
  return independent != nullptr && dims_ == independent->dims_ &&
         base_->equals(*independent->base_);
}

}  // namespace partita::distributions
