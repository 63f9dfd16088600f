// SPDX-License-Identifier: Apache-2.0
// The continuous Bernoulli distribution: numbers in [0, 1], such as gray pixels.
//
//   ContinuousBernoulli(Logits(decoder(z))).log_prob(pixels)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// ContinuousBernoulli(probs) or ContinuousBernoulli(Logits(logits)): density proportional to
/// probs^x (1 - probs)^(1 - x), that is to exp(logits x), on [0, 1] (Loaiza-Ganem and Cunningham
/// 2019). probs in [0, 1] is not the mean. Where it is 0 or 1 there is no density; it is moved to
/// the nearest number inside.
///
/// Everything is accurate to 13 digits, in double, for any logits, so there is no `lims` to choose.
/// (Python's variance loses 7 digits near probs = 1/2, its cdf and icdf are those of the uniform
/// distribution there, off by 4e-4, and its normalizer stays constant beyond logits of 36, or 16 in
/// single precision.)
class ContinuousBernoulli : public Distribution {
 public:
  explicit ContinuousBernoulli(const ProbsOrLogits& parameter, bool validate_args = true);

  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override { return constraints::unit_interval(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// The end where the density is highest; NaN where logits = 0. (Python has no mode.)
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<ContinuousBernoulli>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// logits, finite and in double.
  Tensor slope() const;

  bool is_logits_;
};

}  // namespace partita::distributions
