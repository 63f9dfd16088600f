// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/policy_gradient.hpp"

#include <gtest/gtest.h>

#include "partita/base/error.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using testing::numbers;

/// Three states, two actions, four steps; the policy is a softmax of a table of logits.
struct Mdp {
  static constexpr std::int64_t kSteps = 4;
  Tensor start = numbers({0.5, 0.3, 0.2});
  /// [state, action, next state]
  Tensor transition = numbers({0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.2, 0.2, 0.6, 0.5, 0.5, 0, 0.1, 0.1,
                               0.8, 0.9, 0, 0.1})
                          .view({3, 2, 3});
  Tensor reward = numbers({1, -0.5, 0.2, 2, 0, 3}).view({3, 2});  ///< [state, action]
  Tensor logits = numbers({0.2, -0.3, 1, 0, -0.5, 0.4}).view({3, 2});
  double discount = 0.8;

  /// E[sum_t discount^t r_t] and its gradient in the logits, by the distribution of the state.
  std::pair<double, Tensor> exact() const {
    const Tensor leaf = logits.clone().set_requires_grad(true);
    const Tensor policy = leaf.softmax(-1);
    Tensor states = start;
    Tensor total = at::zeros({}, at::kDouble);
    double factor = 1;
    for (std::int64_t t = 0; t < kSteps; ++t, factor *= discount) {
      const Tensor pairs = states.unsqueeze(-1) * policy;  // [state, action]
      total = total + factor * (pairs * reward).sum();
      states = (pairs.unsqueeze(-1) * transition).sum(at::IntArrayRef{0, 1});
    }
    total.backward();
    return {total.item<double>(), leaf.grad()};
  }

  struct Trajectories {
    Tensor log_prob;  ///< [T, N]
    Tensor rewards;   ///< [T, N]
    Tensor states;    ///< [T, N]
  };

  /// One trajectory for each row of logits, [N, state, action].
  Trajectories run(const Tensor& rows, const Random& random) const {
    const std::int64_t n = rows.size(0);
    const Tensor row = at::arange(n, at::kLong);
    Tensor state = random.categorical(start.log().unsqueeze(0), n).squeeze(-1);
    std::vector<Tensor> log_prob;
    std::vector<Tensor> rewards;
    std::vector<Tensor> states;
    for (std::int64_t t = 0; t < kSteps; ++t) {
      const Tensor log_policy = at::index(rows, {row, state}).log_softmax(-1);
      const Tensor action = random.categorical(log_policy, 1).squeeze(0);
      log_prob.push_back(at::index(log_policy, {row, action}));
      rewards.push_back(at::index(reward, {state, action}));
      states.push_back(state);
      state = random.categorical(at::index(transition, {state, action}).log(), 1).squeeze(0);
    }
    return {at::stack(log_prob), at::stack(rewards), at::stack(states)};
  }
};

struct Sample {
  Tensor gradient;  ///< [N, state, action], whose mean over N is the estimate
  Tensor value;
};

/// The contributions of the trajectories can be told apart by giving each its own logits.
Sample sample(const Mdp& mdp, PolicyGradient& policy_gradient, std::int64_t n,
              std::uint64_t seed = 1) {
  const Tensor rows = mdp.logits.expand({n, 3, 2}).clone().set_requires_grad(true);
  const auto trajectories = mdp.run(rows, Stream{.seed = seed});
  const auto [surrogate, value] = policy_gradient(trajectories.log_prob, trajectories.rewards);
  surrogate.backward();
  return {rows.grad() * static_cast<double>(n), value};
}

constexpr std::int64_t kTrajectories = 200'000;

void expect_unbiased(PolicyGradient& policy_gradient) {
  const Mdp mdp;
  const auto [value, gradient] = mdp.exact();
  const Sample got = sample(mdp, policy_gradient, kTrajectories);
  const Tensor interval = kFiveSigma * testing::standard_error(got.gradient);
  EXPECT_TRUE(((got.gradient.mean(0) - gradient).abs() < interval).all().item<bool>())
      << got.gradient.mean(0) << "\nexact\n"
      << gradient << "\ninterval\n"
      << interval;
  EXPECT_LT(interval.max().item<double>(), 0.1 * gradient.abs().max().item<double>());
  EXPECT_NEAR(got.value.item<double>(), value, 0.03);
}

TEST(PolicyGradient, IsUnbiased) {
  PolicyGradient to_go({.discount = Mdp().discount});
  expect_unbiased(to_go);
  PolicyGradient whole({.discount = Mdp().discount, .reward_to_go = false});
  expect_unbiased(whole);
  PolicyGradient leave_one_out({.discount = Mdp().discount, .baseline = baselines::LeaveOneOut{}});
  expect_unbiased(leave_one_out);
}

TEST(PolicyGradient, LeaveOneOutOfFewTrajectoriesIsUnbiased) {
  // With two trajectories a baseline that held the trajectory's own return would halve the
  // estimate.
  const Mdp mdp;
  const auto [value, gradient] = mdp.exact();
  PolicyGradient policy_gradient({.discount = mdp.discount, .baseline = baselines::LeaveOneOut{}});
  std::vector<Tensor> estimates;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    estimates.push_back(sample(mdp, policy_gradient, 2, i).gradient.mean(0));
  }
  const Tensor all = at::stack(estimates);
  const Tensor interval = kFiveSigma * testing::standard_error(all);
  EXPECT_TRUE(((all.mean(0) - gradient).abs() < interval).all().item<bool>());
  EXPECT_LT(interval.max().item<double>(), 0.5 * gradient.abs().max().item<double>());
}

TEST(PolicyGradient, RewardToGoAndBaselinesLowerTheVariance) {
  const auto variance = [](PolicyGradientOptions options) {
    options.discount = Mdp().discount;
    PolicyGradient policy_gradient(std::move(options));
    return sample(Mdp(), policy_gradient, 20'000).gradient.var(0).sum().item<double>();
  };
  const double whole = variance({.reward_to_go = false});
  const double to_go = variance({});
  const double leave_one_out = variance({.baseline = baselines::LeaveOneOut{}});
  EXPECT_LT(to_go, 0.9 * whole);
  EXPECT_LT(leave_one_out, 0.9 * to_go);
}

TEST(PolicyGradient, LearnsTheValueOfStates) {
  // With the state and the step given, the least-squares baseline is the value function.
  const Mdp mdp;
  const Tensor table = at::zeros({Mdp::kSteps, 3}, at::kDouble).set_requires_grad(true);
  Tensor states;
  const Tensor step = at::arange(Mdp::kSteps, at::kLong).unsqueeze(-1);
  PolicyGradient policy_gradient(
      {.discount = mdp.discount,
       .baseline = baselines::Learned{.function =
                                          [&] {
                                            return at::index(table, {step, states});
                                          },
                                      .parameters = {table}}});
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Tensor rows = mdp.logits.expand({2000, 3, 2});
    const auto trajectories = mdp.run(rows, Stream{.seed = i});
    states = trajectories.states;
    table.mutable_grad() = Tensor();
    const Tensor surrogate = policy_gradient(trajectories.log_prob, trajectories.rewards).surrogate;
    (i % 2 == 0 ? -surrogate : surrogate).backward();  // its loss falls whichever is descended
    const at::NoGradGuard no_grad;
    table.sub_(table.grad());
  }
  // Bellman's equation, backwards.
  const Tensor policy = mdp.logits.softmax(-1);
  Tensor value = at::zeros({3}, at::kDouble);
  for (std::int64_t t = Mdp::kSteps; t-- > 0;) {
    value = (policy * (mdp.reward + mdp.discount * (mdp.transition * value).sum(-1))).sum(-1);
    EXPECT_TRUE(at::allclose(table[t].detach(), value, 0, 0.2)) << t << "\n"
                                                                << table[t] << "\n"
                                                                << value;
  }
}

TEST(PolicyGradient, NamesWhatIsWrong) {
  EXPECT_THROW(PolicyGradient({.discount = 1.1}), InvalidArgument);
  EXPECT_THROW(PolicyGradient({.baseline = baselines::ControlVariate{}}), InvalidArgument);
  PolicyGradient policy_gradient({.baseline = baselines::LeaveOneOut{}});
  EXPECT_THROW(policy_gradient(at::zeros({3, 2}), at::zeros({3})), InvalidArgument);
  EXPECT_THROW(policy_gradient(at::zeros({3, 1}), at::zeros({3, 1})), InvalidArgument);
}

}  // namespace
}  // namespace partita::estimators
