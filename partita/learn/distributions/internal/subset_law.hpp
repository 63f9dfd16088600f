// SPDX-License-Identifier: Apache-2.0
// The sums behind Subset: those of ConditionalPoisson for each row of a batch, with derivatives.
// Internal.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

struct SubsetMarginals {
  Tensor included;  ///< P(i in S), [batch, V]
  Tensor excluded;  ///< P(i not in S), also where the former rounds to 1
};
/// They can be differentiated once.
SubsetMarginals subset_marginals(const Tensor& logits, std::int64_t k);

/// A set of k is what coins show that are known to show k heads. Coin i shows heads with
/// probability sigmoid(logits_i - shift), where the shift is of no consequence: it makes the chance
/// of k heads a number of moderate size.
struct SubsetLaw {
  Tensor logits;  ///< [batch, V], in double
  std::int64_t k;
  Tensor shift;       ///< [batch], without gradient
  Tensor log_chance;  ///< [batch], of k heads; it can be differentiated twice

  static SubsetLaw of(const Tensor& logits, std::int64_t k);

  Tensor log_odds() const { return logits - shift.unsqueeze(-1); }  ///< of heads, [batch, V]
  Tensor log_heads() const;  ///< log P(coin i shows heads), [batch, V]
  Tensor log_tails() const;
  /// Cov(1[i in S], sum_{j in S} v_j), [batch, V]; without gradient.
  Tensor covariance_times(const Tensor& v) const;
};

class Subset;
SubsetLaw law_of(const Subset& subset);

}  // namespace partita::distributions
