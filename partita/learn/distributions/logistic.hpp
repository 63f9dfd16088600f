// SPDX-License-Identifier: Apache-2.0
// The logistic distribution.
//
//   Logistic(0, 1).cdf(x)                                   // sigmoid(x)
//   Logistic(loc, scale).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Logistic(loc, scale): P(X <= x) = 1 / (1 + exp(-(x - loc) / scale)), scale > 0. (Python builds
/// it from Uniform and three transforms.)
class Logistic : public Distribution {
 public:
  Logistic(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override { return scale().log() + 2; }
  Tensor mean() const override { return loc(); }
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Logistic>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
