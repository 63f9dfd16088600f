// SPDX-License-Identifier: Apache-2.0
// The log-normal distribution.
//
//   LogNormal(0, 1).log_prob(x)
//   LogNormal(loc, scale).rsample({64}, random)  // exp(loc + scale * epsilon)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// LogNormal(loc, scale): exp(X), X ~ Normal(loc, scale), scale > 0. Its support includes 0, since
/// a draw may underflow to it: log_prob is -inf there.
class LogNormal : public Distribution {
 public:
  LogNormal(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::nonnegative(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<LogNormal>(*this);
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
