// SPDX-License-Identifier: Apache-2.0
// One view of bits and one-hot vectors: logits plus noise, a hard threshold, and the relaxations.
// Internal to estimators/.
#pragma once

#include <optional>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::estimators {

using distributions::Distribution;

inline constexpr const char* kDiscrete = "Bernoulli, OneHotCategorical or an Independent of one";

/// The base of an Independent (of an Independent ...); any other distribution itself.
const Distribution& base_of(const Distribution& distribution);

/// Sums the event out of a tensor that holds [batch, event] with the batch shape of `distribution`.
Tensor sum_event(const Tensor& value, const Distribution& distribution);

/// [..., batch] -> [..., batch, 1 for each dimension of the event].
Tensor unsqueeze_event(const Tensor& value, const Distribution& distribution);

/// In place of the infinite logit of what is certain: as exact, with a derivative of 0.
inline constexpr double kCertain = 1e30;

/// The perturbed logits z of a bit are logit + logistic noise, and the bit is z > 0; those of a
/// one-hot vector are log-probability + Gumbel noise, and the vector marks the largest.
///
/// A variable of probability 0 or 1 has an infinite logit. Here that is one of +-kCertain, whose
/// derivative is 0 instead of 0 * inf; and no gradient passes it, since the logit's own by the
/// probability is infinite.
struct DiscreteVariables {
  Tensor logits;  ///< [batch, event]; normalized if one-hot
  bool one_hot;   ///< false for bits

  /// Nothing for any other distribution.
  static std::optional<DiscreteVariables> of(const Distribution& distribution);

  Tensor probs() const { return one_hot ? logits.softmax(-1) : logits.sigmoid(); }

  // All of the following are [..., batch, event].

  /// Differentiable in the logits.
  Tensor perturbed(IntArrayRef sample_shape, const Random& random) const;
  Tensor hard(const Tensor& perturbed) const;
  /// Perturbed logits drawn given their hard(); differentiable in the logits.
  Tensor perturbed_given(const Tensor& hard, const Random& random) const;
  /// sigmoid or softmax of perturbed / temperature.
  Tensor relaxed(const Tensor& perturbed, const Tensor& temperature) const;
  /// Gradient of log p(hard) in the logits: hard - probs.
  Tensor score(const Tensor& hard) const { return hard - probs(); }
};

}  // namespace partita::estimators
