// SPDX-License-Identifier: Apache-2.0
// Rankings: ordered samples without replacement.
//
//   PlackettLuce(Logits(z)).sample({8}, random)          // 8 rankings of all V, best first
//   PlackettLuce(Logits(z), 10).log_prob(first_ten)      // only the first ten places
//   PlackettLuce(scores, 3)                              // scores > 0 need not sum to 1
#pragma once

#include <optional>

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// PlackettLuce(scores, k) or PlackettLuce(Logits(logits), k), [batch_shape, V]: the first k places
/// (all V, if k is not given) of a ranking. Each place goes to one of the remaining categories,
/// with probability proportional to its score exp(z): log P(i_1 ... i_k) = sum_j z_{i_j} - log
/// sum_{l not in i_1 ... i_{j - 1}} exp(z_l) (Plackett 1975, "The analysis of permutations"; Luce
/// 1959). Samples are [..., k] of int64 indices, best first.
///
/// A score of 0 or logit of -inf is an impossible category, never drawn; a ranking that contains
/// one has log-probability -inf. At least k must be possible.
class PlackettLuce : public Distribution {
 public:
  explicit PlackettLuce(const ProbsOrLogits& scores, std::optional<std::int64_t> k = {},
                        bool validate_args = true);

  /// The log-probabilities of the first place, [batch_shape, V].
  Tensor logits() const { return raw_logits().log_softmax(-1); }

  /// Samples are int64.
  at::TensorOptions options() const override { return parameter(0).options().dtype(at::kLong); }
  Constraint support() const override;
  /// By enumeration. @throws InvalidArgument unless has_enumerate_support().
  Tensor entropy() const override;
  /// The k best, in order; ties are broken by index.
  Tensor mode() const override;
  /// True for up to 50,000 rankings; eight categories have 40,320.
  bool has_enumerate_support() const override;
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<PlackettLuce>(*this);
  }
  /// By the Gumbel-top-k trick, one stream for each ranking (partita/gumbel/gumbel_top_k.hpp). For
  /// larger k the same numbers give the same leading places.
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// log scores, not normalized.
  Tensor raw_logits() const;

  bool is_logits_;
};

}  // namespace partita::distributions
