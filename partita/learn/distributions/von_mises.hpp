// SPDX-License-Identifier: Apache-2.0
// The von Mises distribution: the counterpart of the normal on the circle.
//
//   VonMises(0, 4).rsample({64}, random)                    // angles in [-pi, pi)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// VonMises(loc, concentration): density exp(k cos(x - loc)) / (2 pi I0(k)) for an angle x, taken
/// modulo 2 pi; k = concentration > 0. mean() and variance() are the circular ones, loc and 1 -
/// I1(k) / I0(k).
///
/// Draws have the implicit gradient (Python has no rsample). cdf (absent in Python) begins opposite
/// loc: it is P(loc - pi <= X <= value), with the value moved to within pi of loc, and has first
/// derivatives with respect to the value and both parameters; icdf and isf lie within pi of loc.
/// The Bessel functions are libtorch's, accurate to all digits (Python's polynomials have 7).
class VonMises : public Distribution {
 public:
  VonMises(const TensorOrNumber& loc, const TensorOrNumber& concentration,
           bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& concentration() const { return parameter(1); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return loc(); }
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<VonMises>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
