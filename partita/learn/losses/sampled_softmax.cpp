// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/sampled_softmax.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/internal/sampled_scores.hpp"

namespace partita::losses {

SampledSoftmaxLoss::SampledSoftmaxLoss(NoiseDistribution noise, SampledSoftmaxOptions options)
    : noise_(std::move(noise)), options_(options) {
  check_at_least("noise", options_.noise, 1, "draws");
}

Tensor SampledSoftmaxLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                                  const Random& random) const {
  auto [drawn, target, others] =
      corrected_scores(noise_, options_.noise, options_.shared_noise, batch, output, random);
  if (options_.mask_accidental_hits) {
    others = others.masked_fill(accidental_hits(batch.targets, drawn),
                                -std::numeric_limits<double>::infinity());
  }
  // The maximum is subtracted before the target is, as in log_softmax.
  return -at::cat({target.unsqueeze(1), others}, 1).log_softmax(-1).select(1, 0);
}

}  // namespace partita::losses
