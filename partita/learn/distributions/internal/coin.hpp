// SPDX-License-Identifier: Apache-2.0
// Shared by the distributions that count a coin's outcomes: Bernoulli, Binomial, Geometric,
// NegativeBinomial, Multinomial. Not installed.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"

namespace partita::distributions {

/// A parameter given as `probs` or `logits`: its values, and which of the two it is.
struct Coin {
  Tensor parameter;
  bool is_logits;

  Tensor probs() const;
  Tensor logits() const;
  Tensor failure_probs() const;  ///< 1 - probs, which does not cancel if logits are given
  Tensor odds() const;           ///< probs / (1 - probs)
  Tensor log_probs() const;
  Tensor log_failure_probs() const;
  /// Where it is certain to fall on one side.
  Tensor is_certain() const;
  /// In double, and any other where `replaced`.
  Coin where_not(const Tensor& replaced) const;
  /// log(probs^successes (1 - probs)^failures).
  Tensor log_prob(const Tensor& successes, const Tensor& failures) const;
};

/// total_count (integers or floating-point numbers, as in Python) and `probs` or `logits`, the
/// former converted to the latter's type.
std::vector<Argument> counted_arguments(const TensorOrNumber& total_count,
                                        const Constraint& total_count_constraint,
                                        const ProbsOrLogits& parameter, const Constraint& probs,
                                        const Constraint& logits);

/// total_count in the type of the first tensor among the other parameters.
TensorOrNumber count_like(const TensorOrNumber& total_count,
                          const std::vector<std::pair<const char*, TensorOrNumber>>& others);

/// log(C(n, k) probs^k (1 - probs)^(n - k)), 0 <= k <= n; all in double.
Tensor log_binomial(const Tensor& n, const Tensor& k, const Coin& coin);

/// log C(n, k); 0 <= k <= n.
Tensor log_choose(const Tensor& n, const Tensor& k);

/// tail() of Beta(a, b) at the coin's probs, in double: the tails of counts are those of a Beta
/// (DLMF 8.17.5, 8.17.24). By logits, so that probs close to 1 keep their digits.
Tensor beta_tail(Tail which, const Coin& coin, const Tensor& a, const Tensor& b);

/// E[f(X, log P(X))] for X ~ Binomial(total_count, coin), by count_nodes(); f maps [nodes, batch],
/// in double, to the same, and must be smooth.
Tensor binomial_expectation(const Tensor& total_count, const Coin& coin,
                            const std::function<Tensor(const Tensor&, const Tensor&)>& f);

}  // namespace partita::distributions
