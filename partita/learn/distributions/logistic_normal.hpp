// SPDX-License-Identifier: Apache-2.0
// Probabilities whose log-ratios are normal.
//
//   LogisticNormal(at::zeros({2}), at::ones({2})).rsample({64}, random)   // 64 rows of 3, of sum 1
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// LogisticNormal(loc, scale), vectors [..., K - 1] (numbers count as vectors of 1): a
/// StickBreakingTransform of independent normal variables, on the simplex of K. Entries of 0 count
/// as the smallest normal number, since they were rounded.
class LogisticNormal : public Distribution {
 public:
  LogisticNormal(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::simplex(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<LogisticNormal>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
};

}  // namespace partita::distributions
