// SPDX-License-Identifier: Apache-2.0
// A policy over sequences of numbers: trajectories in the plane, whose steps an LSTM draws from
// normal distributions, learn to go around a wall and end at a goal. No derivative of the reward is
// needed, only its value.
//
//   example_continuous_sequences [updates [seed]]
//
// The gradient of the expected reward is E[sum_t (Q_t - b_t) grad log p(y_t | y_1 ... y_(t-1))]
// (Sutton, McAllester, Singh, Mansour 2000), with Q_t the sum of the rewards from step t on and b_t
// its mean over the other trajectories, so that what is compared with does not look at itself.
// `partita seqgan continuous` does the same with a discriminator in place of a reward. Prints the
// mean return, how far from the goal trajectories end, and how many hit the wall.
#include <ATen/Parallel.h>
#include <torch/optim/adam.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "partita/learn/seqgan/policy.hpp"
#include "partita/learn/training/part.hpp"

namespace {

using namespace partita;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kTrajectories = 256;
constexpr std::int64_t kSteps = 10;
constexpr double kLearningRate = 1e-3;
constexpr double kGoal[] = {2, 0};
constexpr double kWall = 1;         // at x = 1, below y = 1
constexpr double kHitCosts = 4;     // a step through it
constexpr double kStepCosts = 0.1;  // times its squared length

struct Outcome {
  Tensor reward;    // [B, T], of each step
  Tensor distance;  // [B], from the goal at the end
  Tensor hits;      // [B], bool
};

/// Trajectories start at (0, 0).
Outcome follow(const Tensor& moves) {  // [B, T, 2]
  const Tensor after = moves.cumsum(1);
  const Tensor before = after - moves;
  const Tensor x0 = before.select(-1, 0);
  const Tensor x1 = after.select(-1, 0);
  const Tensor share = ((kWall - x0) / (x1 - x0)).clamp(0, 1);  // of the step, up to the wall
  const Tensor height = before.select(-1, 1) + share * moves.select(-1, 1);
  const Tensor hit = ((x0 < kWall) != (x1 < kWall)).logical_and(height < kWall);
  const Tensor goal = at::tensor(at::ArrayRef<double>(kGoal, 2)).to(moves.scalar_type());
  const Tensor distance = (after.select(1, kSteps - 1) - goal).square().sum(-1).sqrt();
  Tensor reward = -kStepCosts * moves.square().sum(-1) - kHitCosts * hit.to(moves.scalar_type());
  reward.select(1, kSteps - 1) -= distance;
  return {reward, distance, hit.any(1)};
}

/// The sum from each step on: [B, T].
Tensor returns_from(const Tensor& reward) { return reward.flip(1).cumsum(1).flip(1); }

/// The mean of the other rows.
Tensor mean_of_others(const Tensor& x) {
  return (x.sum(0, /*keepdim=*/true) - x) / static_cast<double>(x.size(0) - 1);
}

void run(std::uint64_t updates, std::uint64_t seed) {
  const Stream stream{.seed = seed};
  const auto policy = std::make_shared<seqgan::GaussianPolicy>(
      seqgan::GaussianPolicyOptions{.features = 2, .hidden = 32}, stream.child(0));
  training::Part part{"policy", policy,
                      std::make_shared<torch::optim::Adam>(
                          policy->parameters(), torch::optim::AdamOptions(kLearningRate)),
                      1.0};
  std::puts("updates   return  distance   hits");
  for (std::uint64_t i = 0; i <= updates; ++i) {
    const Tensor moves = seqgan::sample(*policy, kTrajectories, kSteps, stream.child(1).child(i));
    const Outcome outcome = follow(moves);
    const Tensor q = returns_from(outcome.reward);
    if (i % 50 == 0 || i == updates) {
      std::printf("%7llu %8.2f %9.2f %5.0f%%\n", static_cast<unsigned long long>(i),
                  q.select(1, 0).mean().item<double>(), outcome.distance.mean().item<double>(),
                  100 * outcome.hits.to(at::kDouble).mean().item<double>());
    }
    const Tensor advantage = (q - mean_of_others(q)) / (q.std() + 1e-8);  // in units of its size
    training::descend(part, -(advantage * policy->log_prob(moves)).sum(1).mean());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    at::set_num_threads(1);  // small matrices
    run(argc > 1 ? std::stoull(argv[1]) : 800, argc > 2 ? std::stoull(argv[2]) : 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
