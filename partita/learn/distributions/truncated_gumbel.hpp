// SPDX-License-Identifier: Apache-2.0
// A Gumbel known not to exceed a bound: the other Gumbels of a set whose maximum is known
// (Maddison, Tarlow, Minka 2014; Kool, van Hoof, Welling 2019). The counterpart of
// partita/gumbel/gumbel.hpp for tensors, with gradients.
//
//   TruncatedGumbel(logits, 1, maximum).rsample(random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// TruncatedGumbel(loc, scale, maximum), scale > 0: X ~ Gumbel(loc, scale) given X <= maximum,
///   P(X <= x) = exp(e^-t - e^-z), z = (x - loc) / scale, t = (maximum - loc) / scale.
/// Computed without cancellation, whether maximum is far below loc or far above; a maximum of +inf
/// is no bound. Draws never exceed `maximum`.
class TruncatedGumbel : public Distribution {
 public:
  TruncatedGumbel(const TensorOrNumber& loc, const TensorOrNumber& scale,
                  const TensorOrNumber& maximum, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }
  const Tensor& maximum() const { return parameter(2); }

  /// (-inf, maximum]
  Constraint support() const override;
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// loc, or maximum where that is smaller.
  Tensor mode() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<TruncatedGumbel>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// The draw made from a standard exponential.
  Tensor from_exponential(const Tensor& exponential) const;
};

}  // namespace partita::distributions
