// SPDX-License-Identifier: Apache-2.0
// Sequence generative adversarial nets with policy gradient: Yu, Zhang, Wang, Yu (2017), "SeqGAN"
// (arXiv 1609.05473). A generator draws sequences, a discriminator tells them from real ones, and
// the generator follows the policy gradient of the discriminator's probability, each element
// credited by roll-outs of a delayed copy of the generator.
//
//   auto policy = [&] { return std::make_shared<seqgan::TokenPolicy>(network(), options); };
//   const auto generator = policy();
//   seqgan::train_maximum_likelihood(generator, real, held_out, {.seed = 2}, {.epochs = 50});
//   seqgan::SeqGan gan(generator, policy(), discriminator, real, {.seed = 3}, {.rollouts = 16});
//   gan.pretrain_discriminator(50);
//   gan.train({.steps = 200, .files = {.checkpoint = "run.checkpoint"}});
//   Tensor y = seqgan::sample(*generator, 64, 20, {.seed = 1});
//
// Sequences are int64 [N, T], or [N, T, features] for a GaussianPolicy.
#pragma once

#include <cstdint>
#include <memory>

#include "partita/learn/seqgan/discriminator.hpp"
#include "partita/learn/seqgan/policy.hpp"
#include "partita/learn/seqgan/rollout.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::seqgan {

struct MaximumLikelihoodOptions {
  double epochs = 50;
  std::int64_t batch = 64;
  double learning_rate = 1e-2;  ///< initial rate of Adam
  double final_rate = 0.1;      ///< share of it to which it falls linearly, in (0, 1]
  double clip_norm = 5;
  std::uint64_t patience = 0;  ///< epochs without a better held-out NLL; 0: all epochs
  /// Scheduled sampling: the probability of reading the true token falls linearly from 1 to this.
  /// 1: always the true one. Below 1 the policy must be a TokenPolicy.
  double final_teacher = 1;
  Group* group = &Group::alone();  ///< processes that train together: training/loop.hpp
};

/// Trains a policy on real sequences. Losses: nll, per element. After each epoch there is a log
/// entry and an evaluation: held_out_nll, and what `evaluate` adds.
/// @throws InvalidArgument if an option is out of its range.
training::LoopResult train_maximum_likelihood(const std::shared_ptr<SequencePolicy>& policy,
                                              const Tensor& real, const Tensor& held_out,
                                              const Stream& stream,
                                              const MaximumLikelihoodOptions& options,
                                              const training::RunFiles& files = {},
                                              const training::Evaluate& evaluate = {},
                                              const Progress& progress = {});

/// Mean -log p of the elements, excluding those that follow an end token.
double nll_of(const SequencePolicy& policy, const Tensor& sequences);

/// What a complete sequence earns the generator, from the discriminator's D.
enum class GeneratorReward : std::uint8_t {
  probability,  ///< D, as in the paper: nearly equal for all sequences that D is sure about
  /// log D - log(1 - D). With the best D this is log p(y) - log q(y), so that the generator's
  /// distribution q descends KL(q || p), and an element's share in it does not depend on how bad
  /// the others are.
  log_odds,
};

struct SeqGanOptions {
  GeneratorReward reward = GeneratorReward::probability;
  std::int64_t batch = 64;     ///< sequences per step of either network: mixed_batches
  std::int64_t rollouts = 16;  ///< N, completions per prefix
  /// u in [0, 1): after each iteration the roll-out policy becomes u beta + (1 - u) theta. (The
  /// authors' code does so for all but the embeddings, which it copies.)
  double update_rate = 0.8;
  std::int64_t g_steps = 1;               ///< generator steps per iteration
  std::int64_t d_steps = 5;               ///< sets of generated sequences per iteration
  std::int64_t d_epochs = 3;              ///< passes over each of them
  std::int64_t negatives = 1000;          ///< generated sequences per set, and as many real ones
  double generator_learning_rate = 1e-2;  ///< rate of Adam
  double final_rate = 0.1;  ///< share of it to which it falls linearly in train(), in (0, 1]
  bool baseline = true;     ///< whether the policy gradient has one: RolloutOptions
  /// Whether the generator's loss is the sum over the batch's sequences and not their mean, so that
  /// clip_norm holds for a gradient that is `batch` times as long.
  bool sum_loss = false;
  double discriminator_learning_rate = 1e-4;  ///< rate of Adam
  double penalty = 0.2;                       ///< weight of the discriminator's penalty()
  double clip_norm = 5;                       ///< largest gradient norm of the generator
  double discriminator_clip_norm = 5;         ///< and of the discriminator; may be infinite
  /// Whether a batch of the discriminator is `batch` sequences of both kinds in random order, and
  /// not as many of each.
  bool mixed_batches = false;
  Group* group = &Group::alone();  ///< processes that train together: training/loop.hpp
};

class SeqGan {
 public:
  /// @param rollout_policy built like the generator, whose weights it takes.
  /// @throws InvalidArgument if an option is out of its range, or the policies differ in shape.
  SeqGan(std::shared_ptr<SequencePolicy> generator, std::shared_ptr<SequencePolicy> rollout_policy,
         std::shared_ptr<SequenceDiscriminator> discriminator, Tensor real, const Stream& stream,
         const SeqGanOptions& options);

  /// "generator", "roll-out policy", "discriminator".
  std::span<const training::Part> parts() const { return parts_; }

  /// Trains the discriminator alone, on a fresh set of generated sequences per step, each of which
  /// is a log entry.
  training::LoopResult pretrain_discriminator(std::uint64_t steps,
                                              const training::RunFiles& files = {},
                                              const Progress& progress = {});

  /// Algorithm 1: as many iterations of the two networks in turn as the loop has steps.
  training::LoopResult train(const training::LoopOptions& options,
                             const training::Evaluate& evaluate = {},
                             const Progress& progress = {});

  // The parts of a step. Each depends only on the networks and the number or stream.

  /// One set: d_epochs passes over generated and real sequences. Losses: discriminator, the mean of
  /// its cross-entropy over the passes.
  training::Losses discriminator_step(const Stream& stream);
  /// One ascent step along the policy gradient. Losses: reward, the mean over the generated
  /// sequences.
  training::Losses generator_step(const Stream& stream);
  /// g_steps generator steps, d_steps discriminator steps, and the roll-out policy's update.
  training::Losses iteration(std::uint64_t number);
  /// beta <- rate beta + (1 - rate) theta
  void update_rollout_policy(double rate);

 private:
  training::RunFacts facts() const;

  std::shared_ptr<SequencePolicy> generator_;
  std::shared_ptr<SequencePolicy> rollout_policy_;
  std::shared_ptr<SequenceDiscriminator> discriminator_;
  Tensor real_;
  Stream stream_;
  SeqGanOptions options_;
  std::vector<training::Part> parts_;
};

}  // namespace partita::seqgan
