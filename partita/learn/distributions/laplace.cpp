// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/laplace.hpp"

#include <ATen/ATen.h>

#include <numbers>

#include "partita/learn/distributions/internal/implicit.hpp"

namespace partita::distributions {

namespace {

/// log P(Z <= z) of Laplace(0, 1).
Tensor standard_log_cdf(const Tensor& z) {
  return at::where(z < 0, z - std::numbers::ln2, at::log1p(-0.5 * (-z.clamp_min(0)).exp()));
}

}  // namespace

Laplace::Laplace(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args)
    : Distribution("Laplace",
                   {{"loc", loc, constraints::real()}, {"scale", scale, constraints::positive()}},
                   {}, validate_args) {}

Tensor Laplace::entropy() const { return 1 + std::numbers::ln2 + scale().log(); }

Tensor Laplace::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // The difference of two exponentials: both tails in full, and no value favored near 0.
  const Shape pairs = concatenate(extended_shape(sample_shape), {2});
  const Tensor e = random.exponential(pairs, options());
  return finite_draw(loc() + scale() * (e.select(-1, 0) - e.select(-1, 1)), {loc(), scale()});
}

Tensor Laplace::do_log_prob(const Tensor& value) const {
  return -(value - loc()).abs() / scale() - scale().log() - std::numbers::ln2;
}

Tensor Laplace::do_cdf(const Tensor& value) const {
  const Tensor z = (value - loc()) / scale();
  return at::where(z < 0, 0.5 * z.clamp_max(0).exp(), 1 - 0.5 * (-z.clamp_min(0)).exp());
}

Tensor Laplace::do_log_cdf(const Tensor& value) const {
  return standard_log_cdf((value - loc()) / scale());
}

Tensor Laplace::do_log_survival(const Tensor& value) const {
  return standard_log_cdf((loc() - value) / scale());
}

Tensor Laplace::do_icdf(const Tensor& probability) const {
  return loc() + scale() * at::where(probability < 0.5, (2 * probability).log(),
                                     -(2 * (1 - probability)).log());
}

Tensor Laplace::do_isf(const Tensor& probability) const {
  return loc() - scale() * at::where(probability < 0.5, (2 * probability).log(),
                                     -(2 * (1 - probability)).log());
}

}  // namespace partita::distributions
