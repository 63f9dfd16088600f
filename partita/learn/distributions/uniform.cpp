// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/uniform.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <fmt/format.h>

#include <limits>
#include <numbers>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Uniform::Uniform(const TensorOrNumber& low, const TensorOrNumber& high, bool validate_args)
    : Distribution("Uniform",
                   {{"low", low, constraints::real()}, {"high", high, constraints::real()}}, {},
                   validate_args) {
  if (!validate_args) return;
  const Tensor empty = (this->low() >= this->high()).reshape({-1});
  if (!empty.any().item<bool>()) return;
  const auto first = empty.nonzero()[0][0].item<std::int64_t>();
  const auto number = [&](const Tensor& t) { return t.reshape({-1})[first].item<double>(); };
  throw InvalidArgument("low, high", fmt::format("Uniform: expected low < high, got {} and {}",
                                                 number(this->low()), number(this->high())));
}

Constraint Uniform::support() const { return constraints::interval(low(), high(), "[low, high]"); }
// Half of high - low does not overflow.
Tensor Uniform::entropy() const { return (high() / 2 - low() / 2).log() + std::numbers::ln2; }

Tensor Uniform::mode() const {
  return at::full_like(low(), std::numeric_limits<double>::quiet_NaN());
}

Tensor Uniform::between(const Tensor& share) const {
  // By the nearer end, twice half of the way: high - low may overflow, and high be passed.
  const Tensor half = high() / 2 - low() / 2;
  return at::where(share < 0.5, low() + 2 * (share * half), high() - 2 * ((1 - share) * half));
}

Tensor Uniform::share(const Tensor& from, const Tensor& to) const {
  return (to / 2 - from / 2) / (high() / 2 - low() / 2);
}

Tensor Uniform::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return between(random.uniform(extended_shape(sample_shape), options()));
}

Tensor Uniform::do_log_prob(const Tensor& value) const {
  return (-entropy()).expand(at::infer_size(value.sizes(), batch_shape()));
}

Tensor Uniform::do_cdf(const Tensor& value) const { return share(low(), value); }

Tensor Uniform::do_log_cdf(const Tensor& value) const {
  return log_or_minus_infinity(share(low(), value));
}

Tensor Uniform::do_log_survival(const Tensor& value) const {
  return log_or_minus_infinity(share(value, high()));
}

Tensor Uniform::do_icdf(const Tensor& probability) const { return between(probability); }

Tensor Uniform::do_isf(const Tensor& probability) const {
  return Uniform(-high(), -low(), false).between(probability).neg();
}

}  // namespace partita::distributions
