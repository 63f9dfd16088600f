// SPDX-License-Identifier: Apache-2.0
// Proximal policy optimization (Schulman, Wolski, Dhariwal, Radford, Klimov 2017, "Proximal policy
// optimization algorithms", arXiv 1707.06347): a network learns to balance a pole on a cart.
//
//   example_ppo [updates [seed]]
//
// A policy gradient weighs grad log pi(a | s) by an advantage. Here the advantage is generalized
// (Schulman, Moritz, Levine, Jordan, Abbeel 2016), and several epochs are made with the same
// trajectories, by the ratio of the new policy to the one that drew them, clipped so that it stays
// near 1. Prints how long the pole stays up.
#include <ATen/Parallel.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/estimators/generalized_advantage.hpp"
#include "partita/learn/estimators/policy_ratio.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/training/part.hpp"

namespace {

using namespace partita;  // NOLINT(google-build-using-namespace)
using distributions::Categorical;
using distributions::Logits;

constexpr std::int64_t kCarts = 16;     // side by side
constexpr std::int64_t kSteps = 128;    // of each per update
constexpr std::int64_t kLongest = 500;  // steps of an episode
constexpr double kDiscount = 0.99;
constexpr double kLambda = 0.95;
constexpr double kClip = 0.2;
constexpr double kEntropyWeight = 0.01;
constexpr std::int64_t kEpochs = 4;
constexpr std::int64_t kBatch = 256;
constexpr double kLearningRate = 1e-3;

/// Carts that carry a pole each, after Barto, Sutton, Anderson (1983): x, its velocity, the pole's
/// angle from upright, its velocity. Every step a force pushes left or right, and earns 1, until
/// the pole has fallen or the cart has left its track.
class CartPoles {
 public:
  explicit CartPoles(const Stream& stream)
      : random_(stream), state_(fresh()), age_(at::zeros({kCarts})) {}

  const Tensor& state() const { return state_; }  // [carts, 4]

  struct Outcome {
    Tensor fallen;   // [carts], bool: nothing follows
    Tensor stopped;  // [carts], bool: fallen, or of the greatest age
    Tensor next;     // [carts, 4], before those that stopped begin anew
    Tensor age;      // [carts], steps so far
  };

  Outcome push(const Tensor& right) {
    constexpr double kGravity = 9.8, kCart = 1, kPole = 0.1, kHalfLength = 0.5, kForce = 10,
                     kTime = 0.02;
    const auto part = state_.unbind(1);
    const Tensor &x = part[0], &v = part[1], &angle = part[2], &spin = part[3];
    const Tensor force = kForce * (2 * right.to(at::kFloat) - 1);
    const Tensor sine = angle.sin(), cosine = angle.cos();
    const Tensor pushed = (force + kPole * kHalfLength * spin.square() * sine) / (kCart + kPole);
    const Tensor spins = (kGravity * sine - cosine * pushed) /
                         (kHalfLength * (4.0 / 3 - kPole * cosine.square() / (kCart + kPole)));
    const Tensor moves = pushed - kPole * kHalfLength * spins * cosine / (kCart + kPole);
    const Tensor next = at::stack(
        {x + kTime * v, v + kTime * moves, angle + kTime * spin, spin + kTime * spins}, 1);
    const Tensor fallen = (next.select(1, 0).abs() > 2.4) | (next.select(1, 2).abs() > 0.2095);
    const Tensor age = age_ + 1;
    const Tensor stopped = fallen | (age >= kLongest);
    state_ = at::where(stopped.unsqueeze(1), fresh(), next);
    age_ = age.masked_fill(stopped, 0);
    return {fallen, stopped, next, age};
  }

 private:
  Tensor fresh() const { return random_.uniform({kCarts, 4}, at::kFloat).mul_(0.1).sub_(0.05); }

  Random random_;
  Tensor state_;
  Tensor age_;
};

/// What one update learns from: [T, carts, ...].
struct Experience {
  Tensor states;
  Tensor actions;
  Tensor log_prob;
  estimators::Transitions transitions;
};

class Learner {
 public:
  explicit Learner(const Stream& stream) : stream_(stream) {
    networks::initialize_glorot(policy_, stream_.child(0));
    networks::initialize_glorot(value_, stream_.child(1));
    parts_ = {part("policy", policy_), part("value", value_)};
  }

  /// @return the mean length of the episodes that ended, if any did
  double update(std::uint64_t number, CartPoles& carts) {
    const Stream stream = stream_.child(2).child(number);
    double length = 0;
    const Experience seen = experience(stream.child(0), carts, length);
    const Tensor advantages = estimators::generalized_advantages(
        seen.transitions, {.discount = kDiscount, .lambda = kLambda});
    learn(seen, advantages, stream.child(1));
    return length;
  }

 private:
  static training::Part part(const char* name, const torch::nn::Sequential& network) {
    return {name, network.ptr(),
            std::make_shared<torch::optim::Adam>(network->parameters(),
                                                 torch::optim::AdamOptions(kLearningRate)),
            0.5};
  }

  Categorical policy(const Tensor& states) { return Categorical{Logits(policy_->forward(states))}; }
  Tensor value(const Tensor& states) { return value_->forward(states).squeeze(-1); }

  Experience experience(const Stream& stream, CartPoles& carts, double& mean_length) {
    const at::NoGradGuard no_grad;
    const Random random(stream);
    std::vector<Tensor> states, actions, log_prob, next, fallen, last, lengths;
    for (std::int64_t t = 0; t < kSteps; ++t) {
      states.push_back(carts.state());
      const Categorical choice = policy(carts.state());
      actions.push_back(choice.sample({}, random));
      log_prob.push_back(choice.log_prob(actions.back()));
      const CartPoles::Outcome outcome = carts.push(actions.back());
      next.push_back(outcome.next);
      fallen.push_back(outcome.fallen);
      last.push_back(outcome.stopped);
      lengths.push_back(outcome.age.masked_select(outcome.stopped));
    }
    const Tensor all_lengths = at::cat(lengths);
    mean_length = all_lengths.numel() > 0 ? all_lengths.mean().item<double>() : NAN;
    const Tensor all = at::stack(states);
    return {all,
            at::stack(actions),
            at::stack(log_prob),
            {.rewards = at::ones({kSteps, kCarts}),
             .values = value(all),
             .next_values = value(at::stack(next)).masked_fill(at::stack(fallen), 0),
             .last = at::stack(last)}};
  }

  void learn(const Experience& seen, const Tensor& advantages, const Stream& stream) {
    const Tensor states = seen.states.flatten(0, 1);
    const Tensor returns = (advantages + seen.transitions.values).flatten();
    training::Batches batches(kSteps * kCarts, kBatch, stream);
    for (std::uint64_t i = 0; i < kEpochs * kSteps * kCarts / kBatch; ++i) {
      const Tensor rows = batches.at(i);
      const auto chosen = [&](const Tensor& all) { return all.flatten().index_select(0, rows); };
      const Tensor a = chosen(advantages);
      const Tensor advantage = (a - a.mean()) / (a.std() + 1e-8);
      const Categorical pi = policy(states.index_select(0, rows));
      const Tensor gain = estimators::clipped_ratio_objective(pi.log_prob(chosen(seen.actions)),
                                                              chosen(seen.log_prob), advantage,
                                                              {.low = kClip, .high = kClip});
      training::descend(parts_[0], -(gain + kEntropyWeight * pi.entropy()).mean());
      training::descend(parts_[1],
                        (value(states.index_select(0, rows)) - chosen(returns)).square().mean());
    }
  }

  Stream stream_;
  torch::nn::Sequential policy_ = networks::mlp({4, 64, 64, 2}, networks::Activation::tanh);
  torch::nn::Sequential value_ = networks::mlp({4, 64, 64, 1}, networks::Activation::tanh);
  std::vector<training::Part> parts_;
};

void run(std::uint64_t updates, std::uint64_t seed) {
  CartPoles carts(Stream{.seed = seed}.child(0));
  Learner learner(Stream{.seed = seed}.child(1));
  std::puts("    steps   mean length of the episodes that ended");
  for (std::uint64_t i = 0; i < updates; ++i) {
    const double length = learner.update(i, carts);
    const unsigned long long steps = (i + 1) * kSteps * kCarts;
    std::printf("%9llu %8.1f\n", steps, length);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    at::set_num_threads(1);  // small matrices
    run(argc > 1 ? std::stoull(argv[1]) : 60, argc > 2 ? std::stoull(argv[2]) : 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
