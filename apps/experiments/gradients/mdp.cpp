// SPDX-License-Identifier: Apache-2.0
// A small tabular decision process, whose expected return is a finite sum: against the current of a
// river, to the right, lies the large reward; a small one lies at the left.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "apps/experiments/gradients/problem.hpp"
#include "partita/learn/estimators/policy_gradient.hpp"

namespace partita::app {
namespace {

namespace baselines = estimators::baselines;
using estimators::PolicyGradient;
using estimators::PolicyGradientOptions;

constexpr std::int64_t kStates = 3;
constexpr std::int64_t kActions = 2;  // left, right
constexpr std::int64_t kHorizon = 6;
constexpr std::int64_t kTrajectories = 4;  // per estimate
constexpr double kAgainstTheCurrent = 0.7;
constexpr double kSmallReward = 0.1;
constexpr double kLargeReward = 1;

/// P(next | state, action), [states, actions, states].
Tensor transitions() {
  Tensor p = at::zeros({kStates, kActions, kStates}, at::kDouble);
  for (std::int64_t s = 0; s < kStates; ++s) {
    p[s][0][std::max<std::int64_t>(s - 1, 0)] = 1;
    p[s][1][s] += 1 - kAgainstTheCurrent;
    p[s][1][std::min(s + 1, kStates - 1)] += kAgainstTheCurrent;
  }
  return p;
}

/// [states, actions]
Tensor rewards() {
  Tensor r = at::zeros({kStates, kActions}, at::kDouble);
  r[0][0] = kSmallReward;
  r[kStates - 1][1] = kLargeReward;
  return r;
}

/// theta [rows, states * actions] -> log pi [rows, states, actions]
Tensor log_policy(const Tensor& theta) {
  return theta.view({-1, kStates, kActions}).log_softmax(-1);
}

/// The expected return from state 0, by going backward through time: V = sum_a pi (r + gamma P V).
Tensor expected_return(const Tensor& theta, double discount) {
  const Tensor policy = log_policy(theta).exp();
  Tensor value = at::zeros({theta.size(0), kStates}, at::kDouble);
  for (std::int64_t t = 0; t < kHorizon; ++t) {
    const Tensor next = at::einsum("san,rn->rsa", {transitions(), value});
    value = (policy * (rewards() + discount * next)).sum(-1);
  }
  return value.select(1, 0);
}

/// What the best policy returns: the same recursion with a maximum.
double best_return(double discount) {
  Tensor value = at::zeros({kStates}, at::kDouble);
  for (std::int64_t t = 0; t < kHorizon; ++t) {
    value = (rewards() + discount * transitions().matmul(value)).amax(-1);
  }
  return value[0].item<double>();
}

struct Trajectories {
  Tensor states;    // [T, rows, N]
  Tensor log_prob;  // [T, rows, N], the actions'; its gradient reaches theta
  Tensor rewards;   // [T, rows, N]
};

/// N trajectories under the policy of each row of theta.
Trajectories roll_out(const Tensor& theta, const Random& random) {
  const std::int64_t rows = theta.size(0);
  const Tensor log_pi = log_policy(theta);
  const Tensor p_right = log_pi.detach().select(-1, 1).exp();  // [rows, states]
  const Tensor cumulative = transitions().cumsum(-1);
  const Tensor row = at::arange(rows).unsqueeze(-1).expand({rows, kTrajectories});
  Tensor state = at::zeros({rows, kTrajectories}, at::kLong);
  std::vector<Tensor> states;
  std::vector<Tensor> actions;
  for (std::int64_t t = 0; t < kHorizon; ++t) {
    const Tensor u = random.uniform({2, rows, kTrajectories}, at::kDouble);
    const Tensor action = (u[0] < p_right.gather(1, state)).to(at::kLong);
    states.push_back(state);
    actions.push_back(action);
    state = (u[1].unsqueeze(-1) > cumulative.index({state, action})).sum(-1);
  }
  const Tensor all_states = at::stack(states);
  const Tensor all_actions = at::stack(actions);
  return {all_states, log_pi.index({row, all_states, all_actions}),
          rewards().index({all_states, all_actions})};
}

/// The states of the current trajectories, for a learned baseline.
using States = std::shared_ptr<Tensor>;

estimators::GradientSampler policy_gradient(const PolicyGradientOptions& options,
                                            const States& states) {
  auto estimator = std::make_shared<PolicyGradient>(options);
  return {.surrogate =
              [=](const Tensor& theta, const Random& random) {
                const Trajectories trajectories = roll_out(theta, random);
                const auto log_prob = trajectories.log_prob.unbind(1);
                std::vector<Tensor> surrogates;
                for (std::size_t row = 0; row < log_prob.size(); ++row) {
                  const auto r = static_cast<std::int64_t>(row);
                  *states = trajectories.states.select(1, r);
                  surrogates.push_back(
                      (*estimator)(log_prob[row], trajectories.rewards.select(1, r)).surrogate);
                }
                return at::stack(surrogates);
              },
          .parameters = estimator->parameters()};
}

std::vector<Entry> policy_gradients(double discount) {
  std::vector<Entry> entries;
  const auto add = [&](EstimatorKind kind, bool reward_to_go, const auto& baseline) {
    entries.push_back(
        {.kind = kind, .samples = {kTrajectories}, .make = [=](const SamplerOptions&) {
           const auto states = std::make_shared<Tensor>();
           return policy_gradient(
               {.discount = discount, .reward_to_go = reward_to_go, .baseline = baseline(states)},
               states);
         }});
  };
  add(EstimatorKind::whole_return, false, [](const States&) { return baselines::None{}; });
  add(EstimatorKind::reward_to_go, true, [](const States&) { return baselines::None{}; });
  add(EstimatorKind::moving_average, true,
      [](const States&) { return baselines::MovingAverage{}; });
  add(EstimatorKind::leave_one_out, true, [](const States&) { return baselines::LeaveOneOut{}; });
  add(EstimatorKind::learned, true, [](const States& states) {
    const Tensor v = at::zeros({kHorizon, kStates}, at::kDouble).set_requires_grad(true);
    const Tensor time = at::arange(kHorizon).unsqueeze(-1);
    return baselines::Learned{.function =
                                  [=] {
                                    return v.index({time, *states});
                                  },
                              .parameters = {v}};
  });
  return entries;
}

}  // namespace

Problem mdp_problem() {
  Problem problem{
      .title = "Three states on a river",
      .description = fmt::format(
          "Expected return of {} steps, each left or right, from the left end of three states. "
          "Left "
          "goes with the current and always succeeds; right moves on with probability {}. Left at "
          "the left end gives {}, right at the right end {}. One estimate has {} trajectories; the "
          "exact gradient is that of the backward recursion over all of them. Estimators but the "
          "first credit an action with the rewards that follow it.",
          kHorizon, kAgainstTheCurrent, kSmallReward, kLargeReward, kTrajectories),
      .value_name = "expected return"};
  for (const double discount : {1.0, 0.9}) {
    problem.variants.push_back(
        {.name = fmt::format("discount {:g}", discount),
         .start = at::zeros({kStates * kActions}, at::kDouble),
         .expected = [=](const Tensor& theta) { return expected_return(theta, discount); },
         .best_value = best_return(discount),
         .step_size = 0.5,
         .ascends = true,
         .entries = policy_gradients(discount)});
  }
  return problem;
}

}  // namespace partita::app
