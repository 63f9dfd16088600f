// SPDX-License-Identifier: Apache-2.0
// Policy gradients of a tabular decision process, whose expected return is a finite sum.
#include "apps/experiments/gradients/mdp.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "apps/experiments/gradients/problem.hpp"
#include "partita/learn/estimators/policy_gradient.hpp"

namespace partita::app {
namespace {

namespace baselines = estimators::baselines;
using estimators::PolicyGradient;
using estimators::PolicyGradientOptions;

constexpr std::int64_t kTrajectories = 4;  // per estimate
constexpr double kStepSize = 0.5;          // for rewards up to 1

/// A process as tensors, all double.
struct Process {
  explicit Process(const Mdp& mdp)
      : horizon(mdp.horizon),
        states(mdp.states()),
        actions(mdp.actions()),
        start(tensor(mdp.start, {states})),
        transitions(tensor(mdp.transitions, {states, actions, states})),
        rewards(tensor(mdp.rewards, {states, actions})) {}

  static Tensor tensor(const std::vector<double>& values, IntArrayRef shape) {
    return at::tensor(at::ArrayRef<double>(values), at::kDouble).view(shape);
  }

  std::int64_t horizon;
  std::int64_t states;
  std::int64_t actions;
  Tensor start;        // [states]
  Tensor transitions;  // [states, actions, states]
  Tensor rewards;      // [states, actions]
};

/// theta [rows, states * actions] -> log pi [rows, states, actions]
Tensor log_policy(const Process& process, const Tensor& theta) {
  return theta.view({-1, process.states, process.actions}).log_softmax(-1);
}

/// The expected return, by going backward through time: V = sum_a pi (r + gamma P V).
Tensor expected_return(const Process& process, const Tensor& theta, double discount) {
  const Tensor policy = log_policy(process, theta).exp();
  Tensor value = at::zeros({theta.size(0), process.states}, at::kDouble);
  for (std::int64_t t = 0; t < process.horizon; ++t) {
    const Tensor next = at::einsum("san,rn->rsa", {process.transitions, value});
    value = (policy * (process.rewards + discount * next)).sum(-1);
  }
  return value.matmul(process.start);
}

/// What the best policy returns, which knows the time: the same recursion with a maximum.
double best_return(const Process& process, double discount) {
  Tensor value = at::zeros({process.states}, at::kDouble);
  for (std::int64_t t = 0; t < process.horizon; ++t) {
    value = (process.rewards + discount * process.transitions.matmul(value)).amax(-1);
  }
  return value.dot(process.start).item<double>();
}

/// Categories [...] from probabilities [..., n] and uniform numbers [...].
Tensor drawn(const Tensor& probabilities, const Tensor& u) {
  const Tensor below = probabilities.cumsum(-1).narrow(-1, 0, probabilities.size(-1) - 1);
  return (u.unsqueeze(-1) > below).sum(-1);
}

struct Trajectories {
  Tensor states;    // [T, rows, N]
  Tensor log_prob;  // [T, rows, N], the actions'; its gradient reaches theta
  Tensor rewards;   // [T, rows, N]
};

/// N trajectories under the policy of each row of theta.
Trajectories roll_out(const Process& process, const Tensor& theta, const Random& random) {
  const std::int64_t rows = theta.size(0);
  const Tensor log_pi = log_policy(process, theta);
  const Tensor pi = log_pi.detach().exp();
  const Tensor row = at::arange(rows).unsqueeze(-1).expand({rows, kTrajectories});
  Tensor state = drawn(process.start, random.uniform({rows, kTrajectories}, at::kDouble));
  std::vector<Tensor> states;
  std::vector<Tensor> actions;
  for (std::int64_t t = 0; t < process.horizon; ++t) {
    const Tensor u = random.uniform({2, rows, kTrajectories}, at::kDouble);
    states.push_back(state);
    actions.push_back(drawn(pi.index({row, state}), u[0]));
    state = drawn(process.transitions.index({state, actions.back()}), u[1]);
  }
  const Tensor all_states = at::stack(states);
  const Tensor all_actions = at::stack(actions);
  return {all_states, log_pi.index({row, all_states, all_actions}),
          process.rewards.index({all_states, all_actions})};
}

/// The states of the current trajectories, for a learned baseline.
using States = std::shared_ptr<Tensor>;

estimators::GradientSampler policy_gradient(const Process& process,
                                            const PolicyGradientOptions& options,
                                            const States& states) {
  auto estimator = std::make_shared<PolicyGradient>(options);
  return {.surrogate =
              [=](const Tensor& theta, const Random& random) {
                const Trajectories trajectories = roll_out(process, theta, random);
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

std::vector<Entry> policy_gradients(const Process& process, double discount) {
  std::vector<Entry> entries;
  const auto add = [&](EstimatorKind kind, bool reward_to_go, const auto& baseline) {
    entries.push_back(
        {.kind = kind, .samples = {kTrajectories}, .make = [=](const SamplerOptions&) {
           const auto states = std::make_shared<Tensor>();
           return policy_gradient(
               process,
               {.discount = discount, .reward_to_go = reward_to_go, .baseline = baseline(states)},
               states);
         }});
  };
  add(EstimatorKind::whole_return, false, [](const States&) { return baselines::None{}; });
  add(EstimatorKind::reward_to_go, true, [](const States&) { return baselines::None{}; });
  add(EstimatorKind::moving_average, true,
      [](const States&) { return baselines::MovingAverage{}; });
  add(EstimatorKind::leave_one_out, true, [](const States&) { return baselines::LeaveOneOut{}; });
  add(EstimatorKind::learned, true, [=](const States& states) {
    const Tensor v =
        at::zeros({process.horizon, process.states}, at::kDouble).set_requires_grad(true);
    const Tensor time = at::arange(process.horizon).unsqueeze(-1);
    return baselines::Learned{.function =
                                  [=] {
                                    return v.index({time, *states});
                                  },
                              .parameters = {v}};
  });
  return entries;
}

}  // namespace

Mdp river() {
  constexpr std::size_t kStates = 3;
  constexpr double kAgainstTheCurrent = 0.7;
  Mdp mdp{.title = "Three states on a river",
          .horizon = 6,
          .start = {1, 0, 0},
          .rewards = {0.1, 0, 0, 0, 0, 1}};  // actions: left, right
  mdp.description = fmt::format(
      "Expected return of {} steps, each left or right, from the left end of three states. Left "
      "goes with the current and always succeeds; right moves on with probability {}. Left at the "
      "left end gives 0.1, right at the right end 1.",
      mdp.horizon, kAgainstTheCurrent);
  for (std::size_t s = 0; s < kStates; ++s) {
    std::vector<double> left(kStates);
    std::vector<double> right(kStates);
    left[s == 0 ? 0 : s - 1] = 1;
    right[s] += 1 - kAgainstTheCurrent;
    right[std::min(s + 1, kStates - 1)] += kAgainstTheCurrent;
    for (const auto& next : {left, right}) {
      mdp.transitions.insert(mdp.transitions.end(), next.begin(), next.end());
    }
  }
  return mdp;
}

Problem mdp_problem(const Mdp& mdp) {
  const Process process(mdp);
  Problem problem{
      .title = mdp.title,
      .description = fmt::format(
          "{} One estimate has {} trajectories; the exact gradient is that of the backward "
          "recursion over all of them. Estimators but the first credit an action with the rewards "
          "that follow it.",
          mdp.description, kTrajectories),
      .value_name = "expected return"};
  const double largest = process.rewards.abs().max().item<double>();
  for (const double discount : {1.0, 0.9}) {
    problem.variants.push_back(
        {.name = fmt::format("discount {:g}", discount),
         .start = at::zeros({process.states * process.actions}, at::kDouble),
         .expected = [=](const Tensor& theta) { return expected_return(process, theta, discount); },
         .best_value = best_return(process, discount),
         .step_size = largest > 0 ? kStepSize / largest : kStepSize,
         .ascends = true,
         .entries = policy_gradients(process, discount)});
  }
  return problem;
}

}  // namespace partita::app
