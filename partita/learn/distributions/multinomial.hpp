// SPDX-License-Identifier: Apache-2.0
// How often each of V categories comes up in n independent draws.
//
//   Multinomial(100, p).sample({8}, random)      // [8, V] counts that sum to 100
//   Multinomial(n, Logits(z)).log_prob(counts)   // n and z broadcast
#pragma once

#include "partita/learn/distributions/categorical.hpp"

namespace partita::distributions {

/// Multinomial(total_count, probs) or Multinomial(total_count, Logits(logits)): P(x) = n! / prod_i
/// x_i! prod_i p_i^x_i for counts x that sum to n; probs and logits as for Categorical. total_count
/// is a whole number >= 0, or a tensor of them of any type, and may differ across the batch
/// (Python's may not). Samples are [..., V], of floating-point type.
class Multinomial : public Distribution {
 public:
  Multinomial(const TensorOrNumber& total_count, const ProbsOrLogits& parameter,
              bool validate_args = true);

  const Tensor& total_count() const { return parameter(0); }
  /// [batch_shape, V], normalized.
  Tensor probs() const { return categorical().probs(); }
  /// log probs, [batch_shape, V].
  Tensor logits() const { return categorical().logits(); }

  Constraint support() const override;
  /// By summation over the likely counts of each category, to 9 digits.
  Tensor entropy() const override;
  Tensor mean() const override;
  /// The variance of each count.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Multinomial>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// The distribution of one of the draws.
  Categorical categorical() const;

  bool is_logits_;
};

}  // namespace partita::distributions
