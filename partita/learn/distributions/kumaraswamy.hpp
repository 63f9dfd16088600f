// SPDX-License-Identifier: Apache-2.0
// Kumaraswamy's distribution: nearly a Beta, with closed forms.
//
//   Kumaraswamy(2, 5).log_prob(x)
//   Kumaraswamy(concentration1, concentration0).rsample({64}, random)
#pragma once

#include <functional>

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Kumaraswamy(concentration1, concentration0), named a and b here, both > 0: density a b x^(a - 1)
/// (1 - x^a)^(b - 1) on [0, 1], P(X <= x) = 1 - (1 - x^a)^b. (Python's log_prob is NaN at the
/// ends.)
class Kumaraswamy : public Distribution {
 public:
  Kumaraswamy(const TensorOrNumber& concentration1, const TensorOrNumber& concentration0,
              bool validate_args = true);

  const Tensor& concentration1() const { return parameter(0); }
  const Tensor& concentration0() const { return parameter(1); }

  Constraint support() const override { return constraints::unit_interval(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// ((a - 1) / (a b - 1))^(1 / a) for a, b >= 1, NaN for a = b = 1 or where either is below 1.
  /// (Python's is NaN everywhere.)
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Kumaraswamy>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// A tail: at 0, at 1, and elsewhere as a function of v = log(-log P(X > value)).
  Tensor at_ends(const Tensor& value, double low, double high,
                 const std::function<Tensor(const Tensor&)>& inside) const;
};

}  // namespace partita::distributions
