// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/von_mises.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// The same angle in [-pi, pi).
Tensor wrapped(const Tensor& angle) { return at::remainder(angle + kPi, 2 * kPi) - kPi; }

/// log(2 pi I0(k)) - k
Tensor log_normalizer(const Tensor& k) { return std::log(2 * kPi) + at::special_i0e(k).log(); }

}  // namespace

VonMises::VonMises(const TensorOrNumber& loc, const TensorOrNumber& concentration,
                   bool validate_args)
    : Distribution("VonMises",
                   {{"loc", loc, constraints::real()},
                    {"concentration", concentration, constraints::positive()}},
                   {}, validate_args) {}

Tensor VonMises::entropy() const {
  const Tensor k = in_double(concentration());
  return (log_normalizer(k) + k * expected_versine(k)).to(loc().scalar_type());
}

Tensor VonMises::variance() const {
  return expected_versine(in_double(concentration())).to(loc().scalar_type());
}

Tensor VonMises::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor k = in_double(concentration().expand(extended_shape(sample_shape)));
  const Tensor angle = implicit_draw(Family::kVonMises, random.von_mises(k.detach()), k);
  return wrapped(in_double(loc()) + angle).to(options());
}

Tensor VonMises::do_log_prob(const Tensor& value) const {
  const Tensor k = in_double(concentration());
  const Tensor nowhere = value.isinf();
  const Tensor half = (in_double(value.masked_fill(nowhere, 0)) - in_double(loc())) / 2;
  return (-2 * k * half.sin().square() - log_normalizer(k))
      .masked_fill(nowhere, -kInfinity)
      .to(at::result_type(value, loc()));
}

Tensor VonMises::do_cdf(const Tensor& value) const {
  const Tensor angle = wrapped(in_double(value) - in_double(loc()));
  return tail(Family::kVonMises, Tail::kCdf, angle, concentration())
      .to(at::result_type(value, loc()));
}

Tensor VonMises::do_log_cdf(const Tensor& value) const {
  const Tensor angle = wrapped(in_double(value) - in_double(loc()));
  return tail(Family::kVonMises, Tail::kLogCdf, angle, concentration())
      .to(at::result_type(value, loc()));
}

Tensor VonMises::do_log_survival(const Tensor& value) const {
  const Tensor angle = wrapped(in_double(value) - in_double(loc()));
  return tail(Family::kVonMises, Tail::kLogSurvival, angle, concentration())
      .to(at::result_type(value, loc()));
}

Tensor VonMises::do_icdf(const Tensor& probability) const {
  const VonMises centered(at::zeros_like(loc()), concentration(), false);
  return loc() + centered.search_icdf(probability, at::scalar_tensor(-kPi, at::kDouble),
                                      at::scalar_tensor(kPi, at::kDouble));
}

Tensor VonMises::do_isf(const Tensor& probability) const {
  return loc() +
         (VonMises(at::zeros_like(loc()), concentration(), false).do_icdf(probability)).neg();
}

}  // namespace partita::distributions
