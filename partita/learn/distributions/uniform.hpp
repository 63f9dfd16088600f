// SPDX-License-Identifier: Apache-2.0
// The uniform distribution on an interval.
//
//   Uniform(-1, 1).rsample({64}, random)
//   Uniform(low, high).log_prob(x)                          // -log(high - low)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Uniform(low, high), low < high. The interval is closed: a draw rounds to `high` now and then,
/// and log_prob(high) is finite there (Python's is -inf). Without validate_args, log_prob is -inf
/// outside the interval.
class Uniform : public Distribution {
 public:
  Uniform(const TensorOrNumber& low, const TensorOrNumber& high, bool validate_args = true);

  const Tensor& low() const { return parameter(0); }
  const Tensor& high() const { return parameter(1); }

  Constraint support() const override;
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return (low() + high()) / 2; }
  Tensor mode() const override;  ///< NaN
  Tensor variance() const override { return (high() - low()).square() / 12; }

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Uniform>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// low + share * (high - low).
  Tensor between(const Tensor& share) const;
  /// (to - from) / (high - low).
  Tensor share(const Tensor& from, const Tensor& to) const;
};

}  // namespace partita::distributions
