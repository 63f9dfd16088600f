// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/part_transforms.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "partita/base/error.hpp"

namespace partita::distributions {

namespace {

/// shape with its last dimensions, which must be `from`, replaced by `to`.
Shape with_last(IntArrayRef shape, IntArrayRef from, IntArrayRef to) {
  const std::size_t batch = shape.size() < from.size() ? 0 : shape.size() - from.size();
  if (shape.size() < from.size() || shape.slice(batch) != from) {
    throw InvalidArgument(
        "shape", fmt::format("ReshapeTransform: expected [..., {}, got {}",
                             partita::to_string(from).substr(1), partita::to_string(shape)));
  }
  return concatenate(shape.slice(0, batch), to);
}

void check_parts(const char* name, const std::vector<AnyTransform>& transforms) {
  if (!transforms.empty()) return;
  throw InvalidArgument("transforms", fmt::format("{}: expected 1 transform or more, got 0", name));
}

bool all_bijective(const std::vector<AnyTransform>& transforms) {
  return std::all_of(transforms.begin(), transforms.end(),
                     [](const AnyTransform& each) { return each.ptr()->bijective(); });
}

bool all_equal(const std::vector<AnyTransform>& a, const std::vector<AnyTransform>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const AnyTransform& x, const AnyTransform& y) { return x.ptr()->equals(*y.ptr()); });
}

std::string names(const char* name, const std::vector<AnyTransform>& transforms) {
  std::vector<std::string> each;
  for (const AnyTransform& transform : transforms) each.push_back(transform.ptr()->name());
  return fmt::format("{}([{}])", name, fmt::join(each, ", "));
}

std::vector<Constraint> constraints_of(const std::vector<AnyTransform>& transforms,
                                       Constraint (Transform::*side)() const) {
  std::vector<Constraint> all;
  for (const AnyTransform& transform : transforms) all.push_back((*transform.ptr().*side)());
  return all;
}

/// map(transform, part) of each part.
template <class Map>
std::vector<Tensor> each(const std::vector<AnyTransform>& transforms,
                         const std::vector<Tensor>& parts, const Map& map) {
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    results.push_back(map(*transforms[i].ptr(), parts[i]));
  }
  return results;
}

/// The log-Jacobian of each part, without the dimensions of the largest of their values.
std::vector<Tensor> log_jacobians(const std::vector<AnyTransform>& transforms,
                                  std::int64_t event_dim, const std::vector<Tensor>& x,
                                  const std::vector<Tensor>& y) {
  std::vector<Tensor> terms;
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const Transform& part = *transforms[i].ptr();
    terms.push_back(
        sum_rightmost(part.log_abs_det_jacobian(x[i], y[i]), event_dim - part.domain().event_dim));
  }
  return terms;
}

Tensor sum_of(const std::vector<Tensor>& terms) {
  Tensor sum = terms.front();
  for (std::size_t i = 1; i < terms.size(); ++i) sum = sum + terms[i];
  return sum;
}

}  // namespace

ReshapeTransform::ReshapeTransform(IntArrayRef in_shape, IntArrayRef out_shape)
    : in_shape_(in_shape.vec()), out_shape_(out_shape.vec()) {
  if (c10::multiply_integers(in_shape) == c10::multiply_integers(out_shape)) return;
  throw InvalidArgument(
      "in_shape, out_shape",
      fmt::format("ReshapeTransform: expected as many entries in both, got {} and {}",
                  partita::to_string(in_shape), partita::to_string(out_shape)));
}

Constraint ReshapeTransform::domain() const {
  return constraints::independent(constraints::real(), static_cast<std::int64_t>(in_shape_.size()));
}

Constraint ReshapeTransform::codomain() const {
  return constraints::independent(constraints::real(),
                                  static_cast<std::int64_t>(out_shape_.size()));
}

Tensor ReshapeTransform::forward(const Tensor& x) const {
  return x.reshape(forward_shape(x.sizes()));
}

Tensor ReshapeTransform::inverse(const Tensor& y) const {
  return y.reshape(inverse_shape(y.sizes()));
}

Tensor ReshapeTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  return at::zeros(x.sizes().slice(0, x.sizes().size() - in_shape_.size()), x.options());
}

Shape ReshapeTransform::forward_shape(IntArrayRef shape) const {
  return with_last(shape, in_shape_, out_shape_);
}

Shape ReshapeTransform::inverse_shape(IntArrayRef shape) const {
  return with_last(shape, out_shape_, in_shape_);
}

bool ReshapeTransform::equals(const Transform& other) const {
  const auto* reshape = dynamic_cast<const ReshapeTransform*>(&other);
  return reshape != nullptr && in_shape_ == reshape->in_shape_ && out_shape_ == reshape->out_shape_;
}

CatTransform::CatTransform(std::vector<AnyTransform> transforms, std::int64_t dim,
                           std::vector<std::int64_t> lengths)
    : transforms_(std::move(transforms)), dim_(dim), lengths_(std::move(lengths)) {
  check_parts("CatTransform", transforms_);
  if (lengths_.empty()) lengths_.assign(transforms_.size(), 1);
  if (lengths_.size() != transforms_.size()) {
    throw InvalidArgument("lengths",
                          fmt::format("CatTransform: expected as many as transforms, {}, got {}",
                                      transforms_.size(), lengths_.size()));
  }
}

std::string CatTransform::name() const { return names("CatTransform", transforms_); }

Constraint CatTransform::domain() const {
  return constraints::cat(constraints_of(transforms_, &Transform::domain), dim_, lengths_);
}

Constraint CatTransform::codomain() const {
  return constraints::cat(constraints_of(transforms_, &Transform::codomain), dim_, lengths_);
}

bool CatTransform::bijective() const { return all_bijective(transforms_); }

std::vector<Tensor> CatTransform::parts(const Tensor& x) const {
  const std::int64_t total = std::accumulate(lengths_.begin(), lengths_.end(), std::int64_t{0});
  const bool exists = -x.dim() <= dim_ && dim_ < x.dim();
  if (!exists || x.size(dim_) != total) {
    throw InvalidArgument("x", fmt::format("CatTransform: expected {} along dimension {}, got {}",
                                           total, dim_, partita::to_string(x.sizes())));
  }
  return x.split_with_sizes(lengths_, dim_);
}

Tensor CatTransform::forward(const Tensor& x) const {
  return at::cat(
      each(transforms_, parts(x), [](const Transform& t, const Tensor& p) { return t(p); }), dim_);
}

Tensor CatTransform::inverse(const Tensor& y) const {
  return at::cat(
      each(transforms_, parts(y), [](const Transform& t, const Tensor& p) { return t.inverse(p); }),
      dim_);
}

Tensor CatTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& y) const {
  const std::int64_t event_dim = domain().event_dim;
  const std::vector<Tensor> terms = log_jacobians(transforms_, event_dim, parts(x), parts(y));
  // The dimension from the end of what is left, unless it is a value's own.
  const std::int64_t from_end = (dim_ >= 0 ? dim_ - x.dim() : dim_) + event_dim;
  return from_end < 0 ? at::cat(terms, from_end) : sum_of(terms);
}

bool CatTransform::equals(const Transform& other) const {
  const auto* cat = dynamic_cast<const CatTransform*>(&other);
  return cat != nullptr && dim_ == cat->dim_ && lengths_ == cat->lengths_ &&
         all_equal(transforms_, cat->transforms_);
}

StackTransform::StackTransform(std::vector<AnyTransform> transforms, std::int64_t dim)
    : transforms_(std::move(transforms)), dim_(dim) {
  check_parts("StackTransform", transforms_);
}

std::string StackTransform::name() const { return names("StackTransform", transforms_); }

Constraint StackTransform::domain() const {
  return constraints::stack(constraints_of(transforms_, &Transform::domain), dim_);
}

Constraint StackTransform::codomain() const {
  return constraints::stack(constraints_of(transforms_, &Transform::codomain), dim_);
}

bool StackTransform::bijective() const { return all_bijective(transforms_); }

std::vector<Tensor> StackTransform::parts(const Tensor& x) const {
  const bool exists = -x.dim() <= dim_ && dim_ < x.dim();
  if (!exists || x.size(dim_) != static_cast<std::int64_t>(transforms_.size())) {
    throw InvalidArgument("x",
                          fmt::format("StackTransform: expected {} along dimension {}, got {}",
                                      transforms_.size(), dim_, partita::to_string(x.sizes())));
  }
  return x.unbind(dim_);
}

Tensor StackTransform::forward(const Tensor& x) const {
  return at::stack(
      each(transforms_, parts(x), [](const Transform& t, const Tensor& p) { return t(p); }), dim_);
}

Tensor StackTransform::inverse(const Tensor& y) const {
  return at::stack(
      each(transforms_, parts(y), [](const Transform& t, const Tensor& p) { return t.inverse(p); }),
      dim_);
}

Tensor StackTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& y) const {
  const std::int64_t event_dim = domain().event_dim;
  const std::vector<Tensor> terms = log_jacobians(transforms_, event_dim, parts(x), parts(y));
  const std::int64_t from_end = (dim_ >= 0 ? dim_ - x.dim() : dim_) + event_dim;
  return from_end < 0 ? at::stack(terms, from_end) : sum_of(terms);
}

bool StackTransform::equals(const Transform& other) const {
  const auto* stack = dynamic_cast<const StackTransform*>(&other);
  return stack != nullptr && dim_ == stack->dim_ && all_equal(transforms_, stack->transforms_);
}

}  // namespace partita::distributions
