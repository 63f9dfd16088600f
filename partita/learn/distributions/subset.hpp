// SPDX-License-Identifier: Apache-2.0
// Subsets of a fixed size: k of V, in proportion to the product of their members' weights.
//
//   Subset q(Logits(z), 10);
//   q.sample({8}, random);                                  // [8, V]: ten 1s, the others 0
//   q.mean();                                               // P(i in S), with a gradient
//
//   value = at::zeros({V}).scatter(-1, indices, 1);         // from the members' numbers, [..., k]
//   indices = std::get<1>(value.topk(k));                   // and back, in any order
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Subset(Logits(logits), k), [batch_shape, V], k from 0 to V: log P(S) = sum_{i in S} logits_i -
/// log e_k(exp(logits)) for each S of k members, e_k the k-th elementary symmetric polynomial.
/// Samples are [..., V] of 1s and 0s, of floating-point type. For k = 1 it is OneHotCategorical;
/// in statistics it is the conditional Poisson design (Hajek 1964; Chen, Dempster, Liu 1994).
///
/// It is not the law of PlackettLuce's first k places as a set, where each draw changes the
/// probabilities of those that follow: here P(S) depends on the sum of its logits alone.
///
/// A logit of -inf is a category that is never included; a set that contains one has
/// log-probability -inf. At least k must be possible.
///
/// The sums are those of partita/gumbel/conditional_poisson.hpp, in double precision, on the CPU
/// and O(V min(k, V - k)) time each. log_prob() can be differentiated twice; mean(), variance(),
/// entropy() and divergences, which contain its first derivative, once (another is an error).
class Subset : public Distribution {
 public:
  Subset(const Logits& logits, std::int64_t k, bool validate_args = true);

  std::int64_t k() const { return k_; }
  const Tensor& logits() const { return parameter(0); }
  /// log e_k(exp(logits)), [batch_shape]: its gradient is mean(), its Hessian the covariance of S.
  Tensor log_normalizer() const;

  std::string to_string() const override;
  Constraint support() const override;
  Tensor entropy() const override;
  /// The marginals, P(i in S): they sum to k.
  Tensor mean() const override;
  /// The k largest logits; ties are broken by index.
  Tensor mode() const override;
  Tensor variance() const override;
  /// True for up to 50,000 sets.
  bool has_enumerate_support() const override;
  /// In the lexicographic order of their members.
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<Subset>(*this); }
  /// One stream for each set.
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  std::int64_t k_;
};

}  // namespace partita::distributions
