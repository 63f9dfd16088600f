#include "partita/learn/distributions/uniform.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>

#include "partita/base/error.hpp"

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
Tensor Uniform::entropy() const { return (high() - low()).log(); }

Tensor Uniform::mode() const {
  return at::full_like(low(), std::numeric_limits<double>::quiet_NaN());
}

Tensor Uniform::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return low() + random.uniform(extended_shape(sample_shape), options()) * (high() - low());
}

Tensor Uniform::do_log_prob(const Tensor& value) const {
  const Tensor outside = (value < low()).logical_or(value > high());
  return (-entropy()).masked_fill(outside, -std::numeric_limits<double>::infinity());
}

Tensor Uniform::do_cdf(const Tensor& value) const {
  return ((value - low()) / (high() - low())).clamp(0, 1);
}

Tensor Uniform::do_log_survival(const Tensor& value) const {
  return ((high() - value) / (high() - low())).clamp(0, 1).log();
}

Tensor Uniform::do_icdf(const Tensor& probability) const {
  return low() + probability * (high() - low());
}

Tensor Uniform::do_isf(const Tensor& probability) const {
  return high() - probability * (high() - low());
}

}  // namespace partita::distributions
