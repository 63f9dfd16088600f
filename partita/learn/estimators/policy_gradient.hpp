// SPDX-License-Identifier: Apache-2.0
// The policy gradient over trajectories s_1, a_1 ... s_T, a_T: the score-function estimator,
// crediting each action only with the rewards that follow it.
//
//   PolicyGradient policy_gradient({.discount = 0.99, .baseline = baselines::LeaveOneOut{}});
//   // log_prob [T, N] of the actions under the policy, rewards [T, N], of N trajectories
//   auto [surrogate, value] = policy_gradient(log_prob, rewards);
//   (-surrogate).backward();        // ascends the expected return
#pragma once

#include "partita/learn/estimators/baseline.hpp"

namespace partita::estimators {

struct PolicyGradientOptions {
  double discount = 1;  ///< gamma, in [0, 1]
  /// Whether action t is credited with the rewards from t on, or with the whole return (unbiased
  /// too, with more variance).
  bool reward_to_go = true;
  /// Any but ControlVariate. LeaveOneOut is the other trajectories' mean at the same step;
  /// Learned's function returns the values of the states, [T, N].
  Baseline baseline = baselines::None{};
};

/// Mean over the trajectories of sum_t gamma^t (G_t - b_t) grad log pi(a_t | s_t), with
/// G_t = sum_{t' >= t} gamma^(t' - t) r_t'. This is the gradient of E[sum_t gamma^t r_t] without
/// bias; implementations that leave the first gamma^t out compute something else.
class PolicyGradient {
 public:
  explicit PolicyGradient(PolicyGradientOptions options = {});

  /// @param log_prob [T, N], of the actions taken; 0 after a trajectory's end.
  /// @param rewards  [T, N]; 0 after a trajectory's end.
  /// @return surrogate and value of shape []; value is the mean discounted return.
  /// @throws InvalidArgument if the shapes differ or a leave-one-out baseline has one trajectory.
  GradientEstimate operator()(const Tensor& log_prob, const Tensor& rewards);

  /// As Estimator::parameters().
  std::vector<Tensor> parameters() const { return advantage_.parameters(); }

 private:
  double discount_;
  bool reward_to_go_;
  Advantage advantage_;
};

}  // namespace partita::estimators
