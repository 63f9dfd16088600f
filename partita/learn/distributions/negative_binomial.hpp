// SPDX-License-Identifier: Apache-2.0
// The number of heads before the r-th tail.
//
//   NegativeBinomial(3, 0.3).sample({8}, random) // 0, 1, 2 ..., of floating-point type
//   NegativeBinomial(r, Logits(x)).log_prob(k)   // counts of mean r e^x, overdispersed
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

struct Coin;

/// NegativeBinomial(total_count, probs) or NegativeBinomial(total_count, Logits(logits)), with r =
/// total_count and p the probability of success: P(k) = Gamma(r + k) / (k! Gamma(r)) (1 - p)^r p^k
/// for k = 0, 1, 2 ... successes before r failures. r >= 0 need not be whole, and r = 0 always
/// gives 0; probs in [0, 1).
class NegativeBinomial : public Distribution {
 public:
  NegativeBinomial(const TensorOrNumber& total_count, const ProbsOrLogits& parameter,
                   bool validate_args = true);

  const Tensor& total_count() const { return parameter(0); }
  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override { return constraints::nonnegative_integer(); }
  /// By summation over the likely counts, to 9 digits. (Python has none.)
  Tensor entropy() const override;
  Tensor mean() const override;
  /// The larger of the two where there are two.
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<NegativeBinomial>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  Coin coin() const;

  bool is_logits_;
};

}  // namespace partita::distributions
