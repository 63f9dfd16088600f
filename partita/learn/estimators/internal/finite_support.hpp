// SPDX-License-Identifier: Apache-2.0
// The outcomes of a distribution of finite support, numbered. Internal to estimators/.
#pragma once

#include <optional>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::estimators {

using distributions::Distribution;

inline constexpr const char* kFiniteSupport = "a distribution that enumerates its support";

/// The outcomes of a distribution of M variables with C values each: a joint outcome is a value for
/// each variable. M is 1 unless the distribution is an Independent of several.
class FiniteSupport {
 public:
  /// Nothing if the distribution has no enumerate_support. The distribution must outlive it.
  static std::optional<FiniteSupport> of(const Distribution& distribution);

  std::int64_t values() const { return log_prob_.size(0); }      ///< C
  std::int64_t variables() const { return log_prob_.size(-1); }  ///< M
  double size() const;                                           ///< C^M
  /// Log-probabilities of each variable's values, [C, batch, M], differentiable.
  const Tensor& log_prob() const { return log_prob_; }
  /// Outcomes by the numbers of their values: int64 [k, batch, M] -> [k, batch, event].
  Tensor at(const Tensor& numbers) const;

  struct Outcomes {
    Tensor values;  ///< [N, batch, event]
    Tensor probs;   ///< [N, batch], differentiable, also where they are 0
  };
  /// All N = C^M of them, the last variable varying fastest.
  /// @throws InvalidArgument if there are more than 2^20 combinations.
  Outcomes all() const;

 private:
  explicit FiniteSupport(const Distribution& distribution) : distribution_(&distribution) {}

  const Distribution* distribution_;
  Tensor log_prob_ = {};
  Tensor probs_ = {};  ///< likewise
  Tensor table_ = {};  ///< [C, event of a variable]; undefined for one-hot vectors
};

}  // namespace partita::estimators
