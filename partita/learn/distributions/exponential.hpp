// SPDX-License-Identifier: Apache-2.0
// The exponential distribution.
//
//   Exponential(2).sample({64}, random)                     // waiting times, 0.5 on average
//   Exponential(rate).log_survival(x)                       // -rate x, however far
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Exponential(rate): density rate exp(-rate x) on x >= 0; rate > 0. Draws are never 0, and reach
/// 45 / rate in every type. cdf keeps its relative precision near 0 (Python's is 0 there).
class Exponential : public Distribution {
 public:
  explicit Exponential(const TensorOrNumber& rate, bool validate_args = true);

  const Tensor& rate() const { return parameter(0); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return rate().reciprocal(); }
  Tensor mode() const override;
  Tensor variance() const override { return rate().reciprocal().square(); }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Exponential>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
  /// log_prob looks at the sign while it computes.
  Constraint scored() const override { return constraints::real(); }
};

}  // namespace partita::distributions
