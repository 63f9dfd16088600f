// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/truncated_normal.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/normal_interval.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

const double kLogSqrtTwoPi = 0.5 * std::log(2 * kPi);

/// log P(Z <= value) of a standard normal Z in [a, b], a <= value <= b.
Tensor log_lower(const Tensor& value, const Tensor& a, const Tensor& b) {
  // At the lower end it is infinite, and has no gradient.
  const Tensor at_a = value <= a;
  const Tensor z = at::where(at_a, b.detach(), value);
  // A mass is e^-e^2/2 / (sqrt(2 pi) h), h the density at its end e. Below 0 the two masses have
  // different ends, z and b, and the squares of large numbers would cancel; above, the same, a.
  const Tensor above = a > 0;
  const Tensor below = b < 0;
  const auto inside = [](const Tensor& x, const Tensor& where, double otherwise) {
    return x.masked_fill(where.logical_not(), otherwise);
  };
  const Tensor ratio_above = (end_densities(inside(a, above, 1), inside(b, above, 2)).first /
                              end_densities(inside(a, above, 1), inside(z, above, 2)).first)
                                 .log();
  const Tensor low_z = inside(z, below, -2);
  const Tensor low_b = inside(b, below, -1);
  const Tensor low_a = inside(a, below, -3);
  const Tensor ratio_below =
      0.5 * (low_b - low_z) * (low_b + low_z) +
      (end_densities(low_a, low_b).second / end_densities(low_a, low_z).second).log();
  const Tensor ratio = log_normal_mass(a, z) - log_normal_mass(a, b);
  return at::where(above, ratio_above, at::where(below, ratio_below, ratio))
      .clamp_max(0)
      .masked_fill(at_a, -kInfinity);
}

}  // namespace

TruncatedNormal::TruncatedNormal(const TensorOrNumber& loc, const TensorOrNumber& scale,
                                 const TensorOrNumber& low, const TensorOrNumber& high,
                                 bool validate_args)
    : Distribution("TruncatedNormal",
                   {{"loc", loc, constraints::real()},
                    {"scale", scale, constraints::positive()},
                    {"low", low, constraints::real()},
                    {"high", high, constraints::real()}},
                   {}, validate_args) {
  if (!validate_args) return;
  const Tensor empty = (this->low() >= this->high()).reshape({-1});
  if (!empty.any().item<bool>()) return;
  const auto first = empty.nonzero()[0][0].item<std::int64_t>();
  const auto number = [&](const Tensor& t) { return t.reshape({-1})[first].item<double>(); };
  throw InvalidArgument("low, high",
                        fmt::format("TruncatedNormal: expected low < high, got {} and {}",
                                    number(this->low()), number(this->high())));
}

Constraint TruncatedNormal::support() const {
  return constraints::interval(low(), high(), "[low, high]");
}

Tensor TruncatedNormal::standardized(const Tensor& x) const {
  // An end that is infinite stays so, and has no gradient.
  const Tensor wide = in_double(x);
  const Tensor infinite = wide.isinf();
  return at::where(infinite, wide.detach(),
                   (wide.masked_fill(infinite, 0) - in_double(loc())) / in_double(scale()));
}

Tensor TruncatedNormal::near_end() const {
  return at::where(low() > loc(), low(), at::where(high() < loc(), high(), loc()));
}

Tensor TruncatedNormal::mode() const { return near_end(); }

Tensor TruncatedNormal::mean() const {
  const auto moments = interval_moments(standardized(low()), standardized(high()));
  return (in_double(near_end()) + in_double(scale()) * moments.first).to(loc().scalar_type());
}

Tensor TruncatedNormal::variance() const {
  const auto moments = interval_moments(standardized(low()), standardized(high()));
  return (in_double(scale()).square() * moments.second).to(loc().scalar_type());
}

Tensor TruncatedNormal::entropy() const {
  // E[-log p(X)], with X's distance t from the near end e: log p = -e t - t^2 / 2 + log p(e).
  const Tensor e = standardized(near_end());
  const auto [offset, variance] = interval_moments(standardized(low()), standardized(high()));
  const Tensor at_end = do_log_prob(near_end().to(at::kDouble));
  return (e * offset + 0.5 * (variance + offset.square()) - at_end).to(loc().scalar_type());
}

Tensor TruncatedNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const at::TensorOptions wide = options().dtype(at::kDouble);
  const Tensor u = random.uniform(extended_shape(sample_shape), wide);
  Tensor x;
  {
    const at::NoGradGuard no_grad;
    const Tensor z = interval_icdf(u, standardized(low()), standardized(high()));
    // Inside, where neither tail is 0.
    const Tensor up = at::full({}, kInfinity, wide);
    const Tensor least = at::nextafter(in_double(low()), up);
    const Tensor most = at::nextafter(in_double(high()), -up);
    x = at::minimum(at::maximum(in_double(loc()) + in_double(scale()) * z, least), most);
  }
  x = with_implicit_gradient(x);
  // In the type of the parameters, rounding must not leave the interval.
  return at::minimum(at::maximum(finite_draw(x, options()), low()), high());
}

Tensor TruncatedNormal::do_log_prob(const Tensor& value) const {
  // From the density at the near end, on the way to which the squares of large numbers cancel:
  // z^2 - e^2 = (z - e) (z + e).
  const Tensor a = standardized(low());
  const Tensor b = standardized(high());
  const Tensor above = a > 0;
  const Tensor below = b < 0;
  const auto [at_a, at_b] = end_densities(a, b);
  const Tensor at_near = at::where(above, at_a.masked_fill(above.logical_not(), 1).log(),
                                   at::where(below, at_b.masked_fill(below.logical_not(), 1).log(),
                                             -kLogSqrtTwoPi - log_normal_mass(a, b)));
  const Tensor distance = (in_double(value) - in_double(near_end())) / in_double(scale());
  const Tensor sum = standardized(value) + standardized(near_end());
  return (at_near - 0.5 * distance * sum - in_double(scale()).log())
      .to(at::result_type(value, loc()));
}

Tensor TruncatedNormal::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor TruncatedNormal::do_log_cdf(const Tensor& value) const {
  const Tensor lower = log_lower(standardized(value), standardized(low()), standardized(high()));
  // Near 1 by what is missing from it.
  const Tensor upper = log_lower(-standardized(value), -standardized(high()), -standardized(low()));
  const Tensor large = upper < -1;
  return at::where(large, log1mexp(upper.masked_fill(large.logical_not(), -1)), lower)
      .to(at::result_type(value, loc()));
}

Tensor TruncatedNormal::do_log_survival(const Tensor& value) const {
  const Tensor lower = log_lower(standardized(value), standardized(low()), standardized(high()));
  const Tensor upper = log_lower(-standardized(value), -standardized(high()), -standardized(low()));
  const Tensor large = lower < -1;
  return at::where(large, log1mexp(lower.masked_fill(large.logical_not(), -1)), upper)
      .to(at::result_type(value, loc()));
}

}  // namespace partita::distributions
