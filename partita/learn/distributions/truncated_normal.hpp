// SPDX-License-Identifier: Apache-2.0
// A normal variable known to lie in an interval.
//
//   TruncatedNormal(0, 1, -1, 2).rsample({64}, random)
//   TruncatedNormal(loc, scale, 0, kInfinity).log_prob(x)   // one end only
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// TruncatedNormal(loc, scale, low, high), scale > 0, low < high: X ~ Normal(loc, scale) given low
/// <= X <= high; either end may be infinite. loc and scale are those of the normal variable, not
/// the mean and the standard deviation of X. (Python has none.)
///
/// All digits are kept wherever the interval lies: far in a tail, around loc, or of hardly any
/// width. (Of a tail's gradient by loc and scale a part of 1e-13 / t is lost where it vanishes, at
/// a share t of the width from an end.) Draws are the inverse of the CDF and have the implicit
/// gradient, with respect to all four parameters.
class TruncatedNormal : public Distribution {
 public:
  /// @throws InvalidArgument unless low < high.
  TruncatedNormal(const TensorOrNumber& loc, const TensorOrNumber& scale, const TensorOrNumber& low,
                  const TensorOrNumber& high, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }
  const Tensor& low() const { return parameter(2); }
  const Tensor& high() const { return parameter(3); }

  Constraint support() const override;
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<TruncatedNormal>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  /// (x - loc) / scale, in double.
  Tensor standardized(const Tensor& x) const;
  /// The end that is nearer to loc; loc itself if it lies within.
  Tensor near_end() const;
};

}  // namespace partita::distributions
