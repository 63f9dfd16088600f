// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/nce.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/internal/sampled_scores.hpp"

namespace partita::losses {

namespace {

/// -log sigmoid(target) - sum_j log sigmoid(-noise_j): [B] of the logits [B] and [B, k].
/// @param masked terms that are left out, bool [B, k]; or undefined.
Tensor data_or_noise(const Tensor& target, const Tensor& noise, const Tensor& masked) {
  Tensor of_noise = at::log_sigmoid(-noise);
  if (masked.defined()) of_noise = of_noise.masked_fill(masked, 0);
  return -at::log_sigmoid(target) - of_noise.sum(-1);
}

}  // namespace

NceLoss::NceLoss(NoiseDistribution noise, NceOptions options)
    : noise_(std::move(noise)), options_(std::move(options)) {
  check_at_least("noise", options_.noise, 1, "draws");
  if (options_.log_z.defined() && options_.log_z.dim() > 1) {
    throw InvalidArgument("log_z", fmt::format("expected one number, or [C] for C contexts, got {}",
                                               to_string(options_.log_z.sizes())));
  }
}

Tensor NceLoss::log_z_of(const OutputBatch& batch) const {
  if (options_.log_z.dim() == 0) return options_.log_z.expand(batch.targets.sizes());
  if (!batch.contexts.defined()) {
    throw InvalidArgument("contexts", "required, since log_z has one number for each context");
  }
  check_indices("contexts", batch.contexts, batch.targets.size(0), options_.log_z.size(0));
  return sparse_rows(options_.log_z, batch.contexts);
}

Tensor NceLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                       const Random& random) const {
  auto [drawn, target, others] =
      corrected_scores(noise_, options_.noise, options_.shared_noise, batch, output, random);
  if (options_.log_z.defined()) {
    const Tensor log_z = log_z_of(batch);
    target = target - log_z;
    others = others - log_z.unsqueeze(1);
  }
  return data_or_noise(
      target, others,
      options_.mask_accidental_hits ? accidental_hits(batch.targets, drawn) : Tensor());
}

NegativeSamplingLoss::NegativeSamplingLoss(NoiseDistribution noise, NegativeSamplingOptions options)
    : noise_(std::move(noise)), options_(options) {
  check_at_least("noise", options_.noise, 1, "draws");
}

Tensor NegativeSamplingLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                                    const Random& random) const {
  const Tensor noise =
      draw_noise(noise_, options_.noise, options_.shared_noise, batch, output, random);
  const auto [target, others] = sampled_scores(batch, output, noise);
  return data_or_noise(
      target, others,
      options_.mask_accidental_hits ? accidental_hits(batch.targets, noise) : Tensor());
}

}  // namespace partita::losses
