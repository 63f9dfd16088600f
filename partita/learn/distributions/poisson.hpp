// SPDX-License-Identifier: Apache-2.0
// Counts of independent rare events.
//
//   Poisson(3.5).sample({8}, random)             // 0, 1, 2 ..., of floating-point type
//   Poisson(log_rate.exp()).log_prob(k)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Poisson(rate): P(k) = rate^k e^(-rate) / k! for k = 0, 1, 2 ...; rate >= 0, and a rate of 0
/// always gives 0.
class Poisson : public Distribution {
 public:
  explicit Poisson(const TensorOrNumber& rate, bool validate_args = true);

  const Tensor& rate() const { return parameter(0); }

  Constraint support() const override { return constraints::nonnegative_integer(); }
  /// By summation over the likely counts, to 9 digits. (Python has none.)
  Tensor entropy() const override;
  Tensor mean() const override { return rate(); }
  /// The larger of the two where there are two.
  Tensor mode() const override { return rate().floor(); }
  Tensor variance() const override { return rate(); }

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Poisson>(*this); }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
};

}  // namespace partita::distributions
