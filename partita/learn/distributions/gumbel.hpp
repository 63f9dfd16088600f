// SPDX-License-Identifier: Apache-2.0
// The Gumbel distribution: that of the largest of many, and of the noise that turns an arg max of
// logits into a draw from their softmax.
//
//   Gumbel(0, 1).sample({8}, random)
//   Gumbel(loc, scale).log_survival(x)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Gumbel(loc, scale), scale > 0: P(X <= x) = exp(-exp(-z)), z = (x - loc) / scale.
///
/// Draws have both tails in every type, z from -3.8 to 45. (Python's come from a single-precision
/// uniform and end at 15.9.)
class Gumbel : public Distribution {
 public:
  Gumbel(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Gumbel>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
