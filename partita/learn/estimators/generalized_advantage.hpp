// SPDX-License-Identifier: Apache-2.0
// How much better an action was than the state let expect, for trajectories of any number of
// episodes: Schulman, Moritz, Levine, Jordan, Abbeel (2016), "High-dimensional continuous control
// using generalized advantage estimation" (arXiv 1506.02438), equation 16.
//
//   Tensor advantages = generalized_advantages(
//       {.rewards = r, .values = v, .next_values = w, .last = ended}, {.discount = 0.99});
//   Tensor returns = advantages + v;                  // what the critic learns
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::estimators {

/// T steps of N trajectories, all [T, N].
struct Transitions {
  Tensor rewards;
  Tensor values;  ///< V(s_t), of the state in which step t was made
  /// V(s'_t), of the state to which it led: 0 if nothing can follow. (An episode that is only cut
  /// off has a value at its end.)
  Tensor next_values;
  Tensor last;  ///< bool: whether step t is the last of its episode
};

struct GeneralizedAdvantageOptions {
  double discount = 0.99;  ///< gamma, in [0, 1]
  /// In [0, 1]. 1: the return minus V(s_t), unbiased but for the values beyond the last step; 0:
  /// one step and the next value, which has the least variance, and the bias of the values.
  double lambda = 0.95;
};

/// A_t = sum_l (gamma lambda)^l delta_(t+l) to the end of the episode or of the T steps, where
/// delta_t = r_t + gamma V(s'_t) - V(s_t).
/// @return [T, N], without gradient.
/// @throws InvalidArgument if the shapes differ or an option is out of its range.
Tensor generalized_advantages(const Transitions& transitions,
                              const GeneralizedAdvantageOptions& options = {});

}  // namespace partita::estimators
