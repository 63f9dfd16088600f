// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/exponential.hpp"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/ExpandUtils.h>

#include <algorithm>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/range_kernels.hpp"

namespace partita::distributions {

Exponential::Exponential(const TensorOrNumber& rate, bool validate_args)
    : Distribution("Exponential", {{"rate", rate, constraints::positive()}}, {}, validate_args) {}

Tensor Exponential::entropy() const { return 1 - rate().log(); }
Tensor Exponential::mode() const { return at::zeros_like(rate()); }

Tensor Exponential::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor draw = random.exponential(extended_shape(sample_shape), options()) / rate();
  return all_at_least(unexpanded(rate()), 1e3 * smallest_normal(draw.scalar_type()))
             ? draw
             : finite_draw(draw, draw.options());
}

namespace {

/// The numbers of `parameter` if x, of a shape to which it broadcasts, meets all of them in turn
/// from its first to its last; else undefined.
Tensor repeated_row(const Tensor& parameter, const Tensor& x) {
  IntArrayRef own = parameter.sizes();
  while (!own.empty() && own.front() == 1) own = own.slice(1);
  const bool repeats = parameter.numel() > 0 && own.size() <= x.sizes().size() &&
                       own == x.sizes().slice(x.sizes().size() - own.size());
  return repeats ? parameter.flatten() : Tensor();
}

/// log rate - rate x, and -inf for x < 0, in one pass; undefined unless both are plain, of one
/// type, and nobody asks for gradients.
Tensor plain_log_prob(const Tensor& rate, const Tensor& x) {
  const bool records = at::GradMode::is_enabled() && (rate.requires_grad() || x.requires_grad());
  if (records || !is_plain(x) || rate.scalar_type() != x.scalar_type() ||
      x.sizes() != at::infer_size(rate.sizes(), x.sizes())) {
    return {};
  }
  const Tensor row_of_rates = repeated_row(unexpanded(rate), x);
  if (!row_of_rates.defined() || !is_plain(row_of_rates)) return {};
  // Short rows would leave vectors half empty.
  constexpr std::int64_t kRow = 256;
  const std::int64_t copies = std::max<std::int64_t>(1, kRow / row_of_rates.numel());
  const Tensor slope = copies == 1 ? row_of_rates : row_of_rates.repeat({copies});
  const Tensor offset = slope.log();
  const Tensor out = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "Exponential", [&] {
    kernels::range_kernels<scalar_t>().falling_line(
        offset.data_ptr<scalar_t>(), slope.data_ptr<scalar_t>(),
        static_cast<std::size_t>(slope.numel()), x.data_ptr<scalar_t>(),
        static_cast<std::size_t>(x.numel()), out.data_ptr<scalar_t>());
  });
  return out;
}

}  // namespace

Tensor Exponential::do_log_prob(const Tensor& value) const {
  if (const Tensor plain = plain_log_prob(rate(), value); plain.defined()) return plain;
  const bool is_inside = constraints::nonnegative().holds(value);
  const Tensor x = is_inside ? value : value.clamp_min(0);
  const Tensor line = at::addcmul(rate().log(), rate(), x, -1);
  return is_inside ? line : line.masked_fill(value < 0, -kInfinity);
}

Tensor Exponential::do_cdf(const Tensor& value) const { return one_minus_exp(-rate() * value); }

Tensor Exponential::do_log_cdf(const Tensor& value) const { return log1mexp(-rate() * value); }

Tensor Exponential::do_log_survival(const Tensor& value) const { return -rate() * value; }

Tensor Exponential::do_icdf(const Tensor& probability) const {
  return -at::log1p(-probability) / rate();
}

Tensor Exponential::do_isf(const Tensor& probability) const { return -probability.log() / rate(); }

}  // namespace partita::distributions
