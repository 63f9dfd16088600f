// SPDX-License-Identifier: Apache-2.0
// Subsets of a fixed size, drawn in proportion to the product of their members' weights:
//   P(S) = exp(sum_{i in S} z_i) / e_k(e^z),   |S| = k,
// e_k the k-th elementary symmetric polynomial. For k = 1 this is the softmax, log e_k is the
// log-sum-exp, and the marginals P(i in S) are the probabilities.
//
//   partita::ConditionalPoisson law({z.data(), 1, 1000}, 10);
//   law.log_normalizer();                 // log e_k(e^z)
//   law.marginals().included;             // P(i in S), its gradient; they sum to k
//   law.draw(stream, members);            // 10 distinct categories, ascending
//
// It is what V independent coins show, given that k of them show heads, if coin i has the log-odds
// z_i (Hajek 1964, "Asymptotic theory of rejective sampling"; Chen, Dempster, Liu 1994, "Weighted
// finite population sampling to maximize entropy"), and among all laws of subsets of that size with
// the same marginals the one of largest entropy. It is not that of gumbel_top_k(), which draws one
// category after the other.
//
// All log-odds may be shifted by one number, so they are shifted until about k heads are to be
// expected. Then the chance of just k heads is no small number, however large the logits or V,
// every sum is one of products of probabilities, and nothing overflows or cancels: there are no
// logarithms inside, and each result keeps its relative precision. See conditional_poisson.cpp for
// the tree of polynomials.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

class ConditionalPoisson {
 public:
  /// One row of `logits`, finite or -inf (never included). In O(V min(k, V - k)) time and
  /// O(V log k) memory.
  /// @param k 0 ... V
  /// @throws InvalidArgument if k is out of range, or the row holds NaN, +inf, or fewer than k
  ///         possible categories.
  ConditionalPoisson(Rows logits, std::size_t k, std::size_t row = 0);
  ~ConditionalPoisson();
  ConditionalPoisson(ConditionalPoisson&&) noexcept;
  ConditionalPoisson& operator=(ConditionalPoisson&&) noexcept;

  /// The shift c: coin i shows heads with probability sigmoid(z_i - c).
  double shift() const;
  /// log P(k heads) of those coins, with which the log-probability of a set S is
  ///   sum_{i in S} log sigmoid(z_i - c) + sum_{i not in S} log sigmoid(c - z_i) - log_chance():
  /// large logits do not cancel in it.
  double log_chance() const;
  /// log e_k(e^z).
  double log_normalizer() const;

  struct Marginals {
    std::vector<double> included;  ///< [V] P(i in S): the gradient of log_normalizer()
    std::vector<double> excluded;  ///< [V] P(i not in S), also where the former rounds to 1
  };
  /// In about the time of the constructor.
  Marginals marginals() const;

  /// Cov(1[i in S], sum_{j in S} v_j) for every i, [V]: the Hessian of log_normalizer() times v. In
  /// three to six times the time of the constructor.
  /// @throws InvalidArgument unless v has V numbers.
  std::vector<double> covariance_times(std::span<const double> v) const;

  /// A set, ascending: a function of the stream, in some k log2(V / k) choices.
  /// @throws InvalidArgument unless `members` has k places.
  void draw(Stream stream, std::span<std::int64_t> members) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace partita
