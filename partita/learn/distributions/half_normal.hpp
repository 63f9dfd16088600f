// SPDX-License-Identifier: Apache-2.0
// The half-normal distribution.
//
//   HalfNormal(scale).rsample({64}, random)      // |scale * epsilon|
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// HalfNormal(scale): |X|, X ~ Normal(0, scale), scale > 0.
///
/// icdf keeps all digits of small probabilities (Python's computes (1 + p) / 2 and loses them).
class HalfNormal : public Distribution {
 public:
  explicit HalfNormal(const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& scale() const { return parameter(0); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<HalfNormal>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
