// SPDX-License-Identifier: Apache-2.0
// One of V categories.
//
//   Categorical(p).sample({8}, random)           // int64 indices, 0 ... V - 1
//   Categorical(Logits(z)).log_prob(y)           // minus the cross-entropy of z and y
//   Categorical(Logits(weights.log()))           // unnormalized weights
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Categorical(probs) or Categorical(Logits(logits)), [batch_shape, V]: index i with probability
/// probs_i, or exp(logits_i) / sum_j exp(logits_j). probs >= 0 sum to 1 (Python normalizes those
/// that do not); logits < +inf, where -inf is an impossible category.
///
/// An impossible category has log-probability -inf (log eps in Python) and no gradient, and the
/// gradients of the others are finite. log_prob() allocates no array of V entries,
/// unless the logits have a large number in common.
class Categorical : public Distribution {
 public:
  explicit Categorical(const ProbsOrLogits& parameter, bool validate_args = true);

  /// [batch_shape, V], normalized.
  Tensor probs() const;
  /// log probs, [batch_shape, V].
  Tensor logits() const;

  /// Samples are int64.
  at::TensorOptions options() const override;
  Constraint support() const override;
  /// Without gradient by a probability of 0, where its slope is infinite.
  Tensor entropy() const override;
  /// NaN: categories are not numbers.
  Tensor mean() const override;
  /// The lowest index among the most probable.
  Tensor mode() const override;
  /// NaN, like the mean.
  Tensor variance() const override { return mean(); }
  bool has_enumerate_support() const override { return true; }
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Categorical>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  /// All numbers: do_log_prob() looks at each index anyway.
  Constraint scored() const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  /// At floor(value), of a table of log P(X <= i) or log P(X > i) for i = 0 ... V - 2.
  Tensor at_step(const Tensor& log_table, const Tensor& value, double below, double above) const;
  std::int64_t categories() const { return parameter(0).size(-1); }

  bool is_logits_;
};

}  // namespace partita::distributions
