// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/rademacher.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>
#include <numbers>

#include "partita/base/error.hpp"

namespace partita::distributions {

Rademacher::Rademacher(IntArrayRef batch_shape, const at::TensorOptions& options,
                       bool validate_args)
    : Distribution("Rademacher", {}, {}, validate_args), options_(options) {
  const auto type = at::typeMetaToScalarType(options.dtype());
  if (!at::isFloatingType(type)) {
    throw InvalidArgument(
        "options",
        fmt::format("Rademacher: expected a floating-point type, got {}", at::toString(type)));
  }
  batch_shape_ = batch_shape.vec();
}

Constraint Rademacher::support() const {
  Constraint signs{"-1 or 1", 0, true,
                   [](const Tensor& x) { return (x == -1).logical_or(x == 1); }};
  signs.lower = at::scalar_tensor(-1.0);
  signs.upper = at::scalar_tensor(1.0);
  return signs;
}

Tensor Rademacher::entropy() const { return at::full(batch_shape(), std::numbers::ln2, options_); }
Tensor Rademacher::mean() const { return at::zeros(batch_shape(), options_); }
Tensor Rademacher::mode() const {
  return at::full(batch_shape(), std::numeric_limits<double>::quiet_NaN(), options_);
}
Tensor Rademacher::variance() const { return at::ones(batch_shape(), options_); }

Tensor Rademacher::enumerate_support(bool expand) const {
  return over_batch(at::arange(-1, 2, 2, options_), expand);
}

Tensor Rademacher::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // In double, where 1/2 divides the uniforms in halves to within 2^-54.
  const Tensor u = random.uniform(extended_shape(sample_shape), options_.dtype(at::kDouble));
  return (u < 0.5).to(options_.dtype()).mul_(2).sub_(1);
}

Tensor Rademacher::do_log_prob(const Tensor& value) const {
  return at::full(at::infer_size(value.sizes(), batch_shape()), -std::numbers::ln2, options_);
}

Tensor Rademacher::do_cdf(const Tensor& value) const {
  return (0.75 + 0.25 * value).expand(at::infer_size(value.sizes(), batch_shape()));
}

}  // namespace partita::distributions
