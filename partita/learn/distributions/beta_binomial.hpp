// SPDX-License-Identifier: Apache-2.0
// The number of heads in n tosses of a coin whose bias is itself drawn from a Beta.
//
//   BetaBinomial(10, 2, 3).sample({8}, random)   // 0 ... 10, of floating-point type
#pragma once

#include "partita/learn/distributions/categorical.hpp"

namespace partita::distributions {

/// BetaBinomial(total_count, concentration1, concentration0): Binomial(total_count, p) with p ~
/// Beta(concentration1, concentration0),
///   P(k) = C(n, k) B(k + c1, n - k + c0) / B(c1, c0), k = 0 ... n.
/// total_count is a whole number >= 0, or a tensor of them of any type; c1, c0 > 0. Large
/// concentrations, for which it approaches the binomial distribution, cost no digits. cdf, its
/// inverse and entropy sum over 0 ... total_count, in time and memory.
class BetaBinomial : public Distribution {
 public:
  BetaBinomial(const TensorOrNumber& total_count, const TensorOrNumber& concentration1,
               const TensorOrNumber& concentration0, bool validate_args = true);

  const Tensor& total_count() const { return parameter(0); }
  const Tensor& concentration1() const { return parameter(1); }
  const Tensor& concentration0() const { return parameter(2); }

  Constraint support() const override;
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor variance() const override;
  /// True where total_count is the same across the batch.
  bool has_enumerate_support() const override;
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<BetaBinomial>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  /// The same probabilities, of 0 ... the largest total_count, in double.
  Categorical enumerated() const;
};

}  // namespace partita::distributions
