// SPDX-License-Identifier: Apache-2.0
// The number of heads in n tosses.
//
//   Binomial(10, 0.3).sample({8}, random)        // 0 ... 10, of floating-point type
//   Binomial(n, Logits(x)).log_prob(k)           // n and x broadcast
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

struct Coin;

/// Binomial(total_count, probs) or Binomial(total_count, Logits(logits)): P(k) = C(n, k) p^k
/// (1 - p)^(n - k) for k = 0 ... n. total_count is a whole number >= 0, or a tensor of them of any
/// type; probs in [0, 1]. (Python's log_prob clamps p to [eps, 1 - eps].)
class Binomial : public Distribution {
 public:
  Binomial(const TensorOrNumber& total_count, const ProbsOrLogits& parameter,
           bool validate_args = true);

  const Tensor& total_count() const { return parameter(0); }
  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override;
  /// By summation over the likely counts, to 9 digits. total_count may differ over the batch
  /// (Python's may not).
  Tensor entropy() const override;
  Tensor mean() const override;
  /// The larger of the two where there are two.
  Tensor mode() const override;
  Tensor variance() const override;
  /// True where total_count is the same across the batch.
  bool has_enumerate_support() const override;
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Binomial>(*this); }
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
