// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/seqgan.hpp"

#include <ATen/ATen.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/losses.hpp"

namespace partita::seqgan {
namespace {

using training::Losses;
using training::Part;

/// The children of the stream of a training.
enum Purpose : std::uint64_t { kOrder, kTeacher, kPretraining, kIterations };

enum Index : std::size_t { kGenerator, kRolloutPolicy, kDiscriminator };

/// Sequences that are evaluated at a time: as many as a batch, whose memory their logits find.
constexpr std::int64_t kEvaluated = 64;

std::shared_ptr<torch::optim::Adam> adam(const torch::nn::Module& module, double learning_rate) {
  return std::make_shared<torch::optim::Adam>(module.parameters(),
                                              torch::optim::AdamOptions(learning_rate));
}

/// The rate falls linearly from `first` to the share `last` of it.
void set_learning_rate(torch::optim::Optimizer& optimizer, double first, double last, double done) {
  static_cast<torch::optim::AdamOptions&>(optimizer.param_groups().front().options())
      .lr(first * (1 - (1 - last) * done));
}

/// The number of elements that count: up to a sequence's end token.
double elements(const SequencePolicy& policy, const Tensor& sequences) {
  const auto* tokens = dynamic_cast<const TokenPolicy*>(&policy);
  if (tokens == nullptr || tokens->options().end_token < 0) {
    return static_cast<double>(sequences.size(0) * sequences.size(1));
  }
  const Tensor ends = (sequences == tokens->options().end_token).to(at::kLong);
  return (ends.cumsum(1) - ends == 0).sum().item<double>();
}

void check(const MaximumLikelihoodOptions& options) {
  check_in("epochs", options.epochs, "(0, inf)");
  check_at_least("batch", options.batch, 1);
  check_in("learning_rate", options.learning_rate, "(0, inf)");
  check_in("final_rate", options.final_rate, "(0, 1]");
  check_in("clip_norm", options.clip_norm, "(0, inf)");
  check_in("final_teacher", options.final_teacher, "[0, 1]");
}

void check(const SeqGanOptions& options) {
  check_at_least("batch", options.batch, 2);
  check_at_least("rollouts", options.rollouts, 1);
  check_in("update_rate", options.update_rate, "[0, 1)");
  check_at_least("g_steps", options.g_steps, 1);
  check_at_least("d_steps", options.d_steps, 1);
  check_at_least("d_epochs", options.d_epochs, 1);
  check_at_least("negatives", options.negatives, options.batch, "a batch");
  check_in("generator_learning_rate", options.generator_learning_rate, "(0, inf)");
  check_in("discriminator_learning_rate", options.discriminator_learning_rate, "(0, inf)");
  check_in("final_rate", options.final_rate, "(0, 1]");
  check_in("penalty", options.penalty, "[0, inf)");
  check_in("clip_norm", options.clip_norm, "(0, inf)");
  check_in("discriminator_clip_norm", options.discriminator_clip_norm, "(0, inf]");
}

}  // namespace

double nll_of(const SequencePolicy& policy, const Tensor& sequences) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  for (const Tensor& some : sequences.split(kEvaluated)) {
    sum -= policy.log_prob(some).to(at::kDouble).sum().item<double>();
  }
  return sum / elements(policy, sequences);
}

training::LoopResult train_maximum_likelihood(
    const std::shared_ptr<SequencePolicy>& policy, const Tensor& real, const Tensor& held_out,
    const Stream& stream, const MaximumLikelihoodOptions& options, const training::RunFiles& files,
    const training::Evaluate& evaluate, const Progress& progress) {
  check(options);
  const auto* const tokens = dynamic_cast<const TokenPolicy*>(policy.get());
  if (options.final_teacher < 1 && tokens == nullptr) {
    throw InvalidArgument("final_teacher", "scheduled sampling needs tokens");
  }
  const auto per_epoch =
      static_cast<std::uint64_t>((real.size(0) + options.batch - 1) / options.batch);
  training::LoopOptions loop{
      .steps = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(
                                              options.epochs * static_cast<double>(per_epoch)))),
      .log_every = per_epoch,
      .evaluate_every = per_epoch,
      .patience = options.patience,
      .files = files};
  loop.files.run.add("real", training::digest(real))
      .add("held out", training::digest(held_out))
      .add("epochs", options.epochs)  // over which the rate falls
      .add("batch", options.batch)
      .add("learning rate", options.learning_rate)
      .add("final rate", options.final_rate)
      .add("clip norm", options.clip_norm)
      .add("patience", options.patience)
      .add("final teacher", options.final_teacher)
      .add("stream", stream);

  const auto optimizer = adam(*policy, options.learning_rate);
  const std::vector<Part> parts = {
      {"generator", policy, optimizer, options.clip_norm, options.group}};
  const Share share = Share::of(options.batch, *options.group);
  training::Batches batches(real.size(0), options.batch, stream.child(kOrder));
  const auto step = [&](std::uint64_t n) -> Losses {
    const double done = static_cast<double>(n) / static_cast<double>(loop.steps);
    set_learning_rate(*optimizer, options.learning_rate, options.final_rate, done);
    const Tensor all = real.index_select(0, batches.at(n).to(real.device()));
    const Tensor y = share.of(all);
    const double teacher = 1 - (1 - options.final_teacher) * done;
    const Tensor log_prob =
        teacher == 1
            ? policy->log_prob(y)
            : tokens->log_prob(
                  y, scheduled_inputs(*tokens, y, teacher, stream.child(kTeacher).child(n), share));
    const Tensor loss = -log_prob.sum() / elements(*policy, all);
    training::descend(parts[0], loss);
    return {{"nll", loss}};
  };
  const auto values = [&]() -> training::Values {
    training::Values all = {{"held_out_nll", nll_of(*policy, held_out)}};
    if (evaluate) {
      const training::Values more = evaluate();
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  };
  return training::train(parts, loop, step, values, progress);
}

SeqGan::SeqGan(std::shared_ptr<SequencePolicy> generator,
               std::shared_ptr<SequencePolicy> rollout_policy,
               std::shared_ptr<SequenceDiscriminator> discriminator, Tensor real,
               const Stream& stream, const SeqGanOptions& options)
    : generator_(std::move(generator)),
      rollout_policy_(std::move(rollout_policy)),
      discriminator_(std::move(discriminator)),
      real_(std::move(real)),
      stream_(stream),
      options_(options) {
  check(options);
  const auto theta = generator_->parameters();
  const auto beta = rollout_policy_->parameters();
  const auto alike = [](const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes(); };
  if (generator_ == rollout_policy_ ||
      !std::equal(theta.begin(), theta.end(), beta.begin(), beta.end(), alike)) {
    throw InvalidArgument("rollout_policy", "expected another one, built like the generator");
  }
  update_rollout_policy(0);
  parts_ = {
      {"generator", generator_, adam(*generator_, options.generator_learning_rate),
       options.clip_norm, options.group},
      {.name = "roll-out policy", .module = rollout_policy_, .group = options.group},
      {"discriminator", discriminator_, adam(*discriminator_, options.discriminator_learning_rate),
       options.discriminator_clip_norm, options.group}};
}

training::LoopResult SeqGan::pretrain_discriminator(std::uint64_t steps,
                                                    const training::RunFiles& files,
                                                    const Progress& progress) {
  training::LoopOptions loop{.steps = steps, .log_every = 1, .files = files};
  loop.files.run.add(facts());
  return training::train(
      std::span(parts_).subspan(kDiscriminator), loop,
      [&](std::uint64_t n) { return discriminator_step(stream_.child(kPretraining).child(n)); }, {},
      progress);
}

training::RunFacts SeqGan::facts() const {
  training::RunFacts facts;
  return facts.add("real", training::digest(real_))
      .add("reward", static_cast<int>(options_.reward))
      .add("batch", options_.batch)
      .add("rollouts", options_.rollouts)
      .add("update rate", options_.update_rate)
      .add("g steps", options_.g_steps)
      .add("d steps", options_.d_steps)
      .add("d epochs", options_.d_epochs)
      .add("negatives", options_.negatives)
      .add("generator's rate", options_.generator_learning_rate)
      .add("discriminator's rate", options_.discriminator_learning_rate)
      .add("penalty", options_.penalty)
      .add("clip norm", options_.clip_norm)
      .add("discriminator's clip norm", options_.discriminator_clip_norm)
      .add("final rate", options_.final_rate)
      .add("baseline", options_.baseline ? "yes" : "no")
      .add("loss", options_.sum_loss ? "sum" : "mean")
      .add("batches", options_.mixed_batches ? "mixed" : "balanced")
      .add("stream", stream_);
}

training::LoopResult SeqGan::train(const training::LoopOptions& options,
                                   const training::Evaluate& evaluate, const Progress& progress) {
  training::LoopOptions loop = options;
  loop.files.run.add(facts()).add("iterations", loop.steps);  // over which the rate falls
  const auto step = [&](std::uint64_t n) {
    const double done = static_cast<double>(n) / static_cast<double>(loop.steps);
    set_learning_rate(*parts_[kGenerator].optimizer, options_.generator_learning_rate,
                      options_.final_rate, done);
    return iteration(n);
  };
  return training::train(parts_, loop, step, evaluate, progress);
}

Losses SeqGan::iteration(std::uint64_t number) {
  const Stream stream = stream_.child(kIterations).child(number);
  Losses losses;
  const auto add = [&](const Losses& more, std::int64_t of) {
    for (const auto& [name, loss] : more) {
      const auto known = std::find_if(losses.begin(), losses.end(),
                                      [&, &key = name](const auto& l) { return l.first == key; });
      const Tensor share = loss / static_cast<double>(of);
      if (known == losses.end()) {
        losses.emplace_back(name, share);
      } else {
        known->second = known->second + share;
      }
    }
  };
  std::uint64_t part = 0;
  for (std::int64_t g = 0; g < options_.g_steps; ++g) {
    add(generator_step(stream.child(part++)), options_.g_steps);
  }
  for (std::int64_t d = 0; d < options_.d_steps; ++d) {
    add(discriminator_step(stream.child(part++)), options_.d_steps);
  }
  update_rollout_policy(options_.update_rate);
  return losses;
}

Losses SeqGan::generator_step(const Stream& stream) {
  const auto reward = [&](const Tensor& y) {
    return options_.reward == GeneratorReward::probability ? discriminator_->probability(y)
                                                           : discriminator_->log_odds(y);
  };
  const auto [surrogate, value] = rollout_policy_gradient(*generator_, *rollout_policy_, reward,
                                                          {.batch = options_.batch,
                                                           .length = real_.size(1),
                                                           .rollouts = options_.rollouts,
                                                           .baseline = options_.baseline,
                                                           .group = options_.group},
                                                          stream);
  const double sequences = options_.sum_loss ? static_cast<double>(options_.batch) : 1;
  training::descend(parts_[kGenerator], -surrogate * sequences);
  return {{"reward", value}};
}

Losses SeqGan::discriminator_step(const Stream& stream) {
  enum Draw : std::uint64_t { kGenerated, kReal, kSetOrder, kDropout };
  Group& group = *options_.group;
  const Share drawn = Share::of(options_.negatives, group);
  const Tensor fake =
      all_rows(sample(*generator_, drawn, real_.size(1), stream.child(kGenerated)), drawn, group);
  const Tensor chosen =
      training::Batches(real_.size(0), options_.negatives, stream.child(kReal)).at(0);
  const Tensor real = real_.index_select(0, chosen.to(real_.device()));

  // Real sequences, then generated ones: the rows of a batch are of both sets together, or the same
  // rows of each.
  const Tensor all = at::cat({real, fake});
  const std::int64_t each = options_.negatives;
  const std::int64_t rows = options_.mixed_batches ? 2 * each : each;
  training::Batches batches(rows, options_.batch, stream.child(kSetOrder));
  const Share share =
      Share::of(options_.mixed_batches ? options_.batch : 2 * options_.batch, group);
  const Random dropout = Random(stream.child(kDropout)).of(share);
  const std::int64_t steps = (options_.d_epochs * rows) / options_.batch;
  const at::TensorOptions like = discriminator_->parameters().front().options();
  Tensor sum = at::zeros({}, at::kDouble);
  for (std::int64_t i = 0; i < steps; ++i) {
    Tensor batch = batches.at(static_cast<std::uint64_t>(i)).to(real.device());
    if (!options_.mixed_batches) batch = at::cat({batch, batch + each});
    batch = share.of(batch);
    const Tensor is_real = (batch < each).to(like.dtype());
    const Tensor loss =
        share.weight() * losses::binary_cross_entropy_with_logits(
                             discriminator_->logits(all.index_select(0, batch), dropout), is_real);
    training::descend(parts_[kDiscriminator],
                      loss + share.weight() * options_.penalty * discriminator_->penalty());
    sum = sum + loss.detach().to(at::kCPU, at::kDouble);
  }
  return {{"discriminator", sum / static_cast<double>(steps)}};
}

void SeqGan::update_rollout_policy(double rate) {
  const at::NoGradGuard no_grad;
  const auto theta = generator_->parameters();
  const auto beta = rollout_policy_->parameters();
  for (std::size_t i = 0; i < theta.size(); ++i) {
    beta[i].copy_(rate * beta[i] + (1 - rate) * theta[i]);
  }
}

}  // namespace partita::seqgan
