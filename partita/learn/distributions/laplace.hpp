// SPDX-License-Identifier: Apache-2.0
// The Laplace (double exponential) distribution.
//
//   Laplace(0, 1).log_prob(x)
//   Laplace(loc, scale).rsample({64}, random)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Laplace(loc, scale): density exp(-|x - loc| / scale) / (2 scale); scale > 0. cdf and icdf keep
/// their relative precision in the lower tail (Python's are 0 and -inf there).
class Laplace : public Distribution {
 public:
  Laplace(const TensorOrNumber& loc, const TensorOrNumber& scale, bool validate_args = true);

  const Tensor& loc() const { return parameter(0); }
  const Tensor& scale() const { return parameter(1); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override { return loc(); }
  Tensor mode() const override { return loc(); }
  Tensor variance() const override { return 2 * scale().square(); }

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Laplace>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
};

}  // namespace partita::distributions
