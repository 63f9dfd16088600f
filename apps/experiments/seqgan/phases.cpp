// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/seqgan/phases.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::app {
namespace {

SeqganPhase phase_of(const std::string& name, const training::LoopResult& result) {
  SeqganPhase phase{.name = name, .steps = result.steps, .seconds = result.seconds};
  for (const training::LogEntry& entry : result.history) {
    for (const auto& [key, value] : entry.values) {
      auto known = std::find_if(phase.curves.begin(), phase.curves.end(),
                                [&, &wanted = key](const auto& c) { return c.name == wanted; });
      if (known == phase.curves.end()) {
        phase.curves.push_back({key});
        known = phase.curves.end() - 1;
      }
      known->step.push_back(static_cast<double>(entry.step));
      known->value.push_back(value);
    }
  }
  return phase;
}

std::vector<seqgan::ConvolutionFilters> filters_of(const SeqganOptions& options) {
  std::vector<seqgan::ConvolutionFilters> all;
  for (const auto& [width, count] : options.filters) {
    if (width > options.length) {
      throw InvalidArgument(
          "filters", fmt::format("{}:{} is wider than the sequences are long ({})", width, count,
                                 options.length));
    }
    all.push_back({width, count});
  }
  return all;
}

std::string filters_text(const std::vector<SeqganFilters>& filters) {
  std::string out;
  for (const auto& [width, count] : filters) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", width, count);
  }
  return out;
}

}  // namespace

SeqganCurve curve_of(const SeqganPhase& phase, const std::string& name) {
  for (const SeqganCurve& curve : phase.curves) {
    if (curve.name == name) return curve;
  }
  return {name};
}

SeqganPhases::SeqganPhases(const SeqganOptions& options, Tensor real, Tensor held_out,
                           const Phases& phases)
    : options_(options), phases_(phases), real_(std::move(real)), held_out_(std::move(held_out)) {
  // Checks what the last phase would refuse, before anything is trained.
  filters_of(options);
  check_at_least("negatives", options.negatives, options.batch, "a batch");
}

training::RunFiles SeqganPhases::files(const std::string& name, bool discriminator) const {
  const RunOptions run = options_.run.named(name);
  // What the phase does not see: its networks, and what its generator has learned before.
  training::RunFacts facts{{"phase", name}};
  facts.add("hidden", options_.hidden);
  if (discriminator) {
    facts.add("mle epochs", options_.mle_epochs)
        .add("mle rate", options_.mle_rate)
        .add("patience", options_.patience)
        .add("filters", filters_text(options_.filters))
        .add("features", options_.features)
        .add("dropout", options_.dropout)
        .add("highway", name_of(kSeqganHighways, options_.highway))
        .add("gate bias", options_.gate_bias)
        .add("columns", name_of(kSeqganColumns, options_.columns))
        .add("pretraining", options_.pretraining)
        .add("held-out lines", training::digest(held_out_));
  }
  return {.checkpoint = run.checkpoint,
          .checkpoint_seconds = run.checkpoint_seconds,
          .run = std::move(facts),
          .log = run.log};
}

SeqganPhase SeqganPhases::maximum_likelihood(const std::string& name, const Policy& policy,
                                             double final_teacher,
                                             const training::Evaluate& evaluate) const {
  return phase_of(
      name, seqgan::train_maximum_likelihood(
                policy, real_, held_out_, seqgan_stream(options_, SeqganDraw::maximum_likelihood),
                {.epochs = options_.mle_epochs,
                 .batch = options_.batch,
                 .learning_rate = options_.mle_rate,
                 .final_rate = options_.final_rate,
                 .clip_norm = options_.clip_norm,
                 .patience = options_.patience,
                 .final_teacher = final_teacher,
                 .group = options_.run.group.get()},
                files(name, /*discriminator=*/false), evaluate, begin(phases_, name)));
}

std::vector<SeqganPhase> SeqganPhases::adversarial(const Policy& generator, const Policy& other,
                                                   std::int64_t vocabulary,
                                                   const training::Evaluate& evaluate) const {
  const auto discriminator = std::make_shared<seqgan::SequenceDiscriminator>(
      seqgan::SequenceDiscriminatorOptions{
          .vocabulary = vocabulary,
          .features = vocabulary > 0 ? options_.features : real_.size(2),
          .filters = filters_of(options_),
          .dropout = options_.dropout,
          .highway = options_.highway == SeqganHighway::glorot ? seqgan::HighwayWeights::glorot
                                                               : seqgan::HighwayWeights::normal,
          .gate_bias = options_.gate_bias,
          .two_columns = options_.columns == SeqganColumns::two},
      seqgan_stream(options_, SeqganDraw::discriminator));
  discriminator->to(real_.device());
  seqgan::SeqGan gan(
      generator, other, discriminator, real_, seqgan_stream(options_, SeqganDraw::adversarial),
      {.reward = options_.reward == SeqganReward::log_odds ? seqgan::GeneratorReward::log_odds
                                                           : seqgan::GeneratorReward::probability,
       .batch = options_.batch,
       .rollouts = options_.rollouts,
       .update_rate = options_.update_rate,
       .g_steps = options_.g_steps,
       .d_steps = options_.d_steps,
       .d_epochs = options_.d_epochs,
       .negatives = options_.negatives,
       .generator_learning_rate = options_.g_rate,
       .final_rate = options_.final_rate,
       .baseline = options_.baseline == SeqganBaseline::leave_one_out,
       .sum_loss = options_.loss == SeqganLoss::sum,
       .discriminator_learning_rate = options_.d_rate,
       .penalty = options_.penalty,
       .clip_norm = options_.clip_norm,
       .discriminator_clip_norm = options_.d_clip_norm,
       .mixed_batches = options_.d_batches == SeqganBatches::mixed,
       .group = options_.run.group.get()});
  std::vector<SeqganPhase> phases;
  if (options_.pretraining > 0) {
    const std::string name = "discriminator";
    phases.push_back(phase_of(
        name, gan.pretrain_discriminator(options_.pretraining, files(name, /*discriminator=*/true),
                                         begin(phases_, name))));
  }
  const std::string name = "SeqGAN";
  const auto values = [&]() -> training::Values {
    training::Values all = {{"held_out_nll", seqgan::nll_of(*generator, held_out_)}};
    const training::Values more = evaluate();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  phases.push_back(phase_of(name, gan.train({.steps = options_.iterations,
                                             .log_every = options_.evaluate_every,
                                             .evaluate_every = options_.evaluate_every,
                                             .patience = options_.patience,
                                             .files = files(name, /*discriminator=*/true)},
                                            values, begin(phases_, name))));
  return phases;
}

double distinct_share(const Tensor& sequences) {
  const Tensor rows = sequences.cpu().contiguous();
  const auto* at = rows.data_ptr<std::int64_t>();
  std::set<std::vector<std::int64_t>> seen;
  for (std::int64_t i = 0; i < rows.size(0); ++i, at += rows.size(1)) {
    seen.emplace(at, at + rows.size(1));
  }
  return static_cast<double>(seen.size()) / static_cast<double>(rows.size(0));
}

}  // namespace partita::app
