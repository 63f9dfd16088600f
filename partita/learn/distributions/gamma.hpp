// SPDX-License-Identifier: Apache-2.0
// The gamma distribution and its special case, chi-squared.
//
//   Gamma(concentration, rate).rsample({64}, random)        // gradients reach both
//   Chi2(3).log_survival(x)                                 // a test's log p-value, never -inf
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Gamma(concentration, rate): density rate^c x^(c - 1) exp(-rate x) / Gamma(c) on x >= 0, where
/// c = concentration > 0 (the shape) and rate > 0 (1 / scale).
///
/// Draws have the implicit gradient (Figurnov, Mohamed, Mnih 2018), to 12 digits (libtorch's
/// approximation, which Python uses, is off by up to 1 % between concentrations of 0.001 and 20).
/// They are made on a log scale: a draw too small for the type becomes its smallest normal number.
/// cdf, log_cdf and log_survival have first derivatives with respect to the value and both
/// parameters. (Python has no cdf.)
class Gamma : public Distribution {
 public:
  Gamma(const TensorOrNumber& concentration, const TensorOrNumber& rate, bool validate_args = true);

  virtual Tensor concentration() const { return parameter(0); }
  virtual Tensor rate() const { return parameter(1); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return concentration() / rate(); }
  Tensor mode() const override;
  Tensor variance() const override { return concentration() / rate().square(); }

 protected:
  /// For a subclass with other parameters, which overrides concentration() and rate().
  Gamma(const char* name, const std::vector<Argument>& arguments, bool validate_args)
      : Distribution(name, arguments, {}, validate_args) {}
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Gamma>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
};

/// Chi2(df) = Gamma(df / 2, 1 / 2): the sum of df squares of standard normals; df > 0.
class Chi2 : public Gamma {
 public:
  explicit Chi2(const TensorOrNumber& df, bool validate_args = true);

  const Tensor& df() const { return parameter(0); }
  Tensor concentration() const override { return df() / 2; }
  Tensor rate() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Chi2>(*this); }
};

}  // namespace partita::distributions
