#include "partita/learn/losses/sampled_softmax.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "partita/learn/losses/sampled_scores.hpp"

namespace partita::losses {

SampledSoftmaxLoss::SampledSoftmaxLoss(NoiseDistribution noise, SampledSoftmaxOptions options)
    : noise_(std::move(noise)), options_(options) {
  check_noise_count(options_.noise);
}

Tensor SampledSoftmaxLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                                  const Random& random) const {
  const std::int64_t k = options_.noise;
  const Tensor noise = draw_noise(noise_, k, options_.shared_noise, batch, output, random);
  auto [target, others] = sampled_scores(batch, output, noise);
  target = target - log_expected_targets(noise_, k, batch);
  others = others - noise_.log_expected_count(noise, k, others.scalar_type());
  if (options_.mask_accidental_hits) {
    others = others.masked_fill(accidental_hits(batch.targets, noise),
                                -std::numeric_limits<double>::infinity());
  }
  return at::cat({target.unsqueeze(1), others}, 1).logsumexp(-1) - target;
}

}  // namespace partita::losses
