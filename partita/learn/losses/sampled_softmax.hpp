// SPDX-License-Identifier: Apache-2.0
// Sampled softmax: maximum likelihood among the target and a few draws of noise.
//
//   const auto noise = losses::NoiseDistribution::unigram(counts);
//   const losses::SampledSoftmaxLoss loss(noise, {.noise = 100});
//   loss({hidden, targets}, output, Stream{seed, step}).backward();
//
// The loss of a row is -log softmax(s - log(k q))(target) over the target and its k draws of noise
// (Bengio and Senecal 2008, "Adaptive importance sampling to accelerate training of a neural
// probabilistic language model"; Jean et al. 2015, "On using very large target vocabulary for
// neural machine translation"; the form and defaults are those of TensorFlow's
// sampled_softmax_loss). Without the correction, frequently drawn words would be pushed down merely
// for being drawn.
//
// With every draw kept, the loss asks which of k + 1 words is the data, and its optimum is
// softmax(s) = p for any k (ranking NCE: Ma and Collins 2018, "Noise contrastive estimation and
// negative sampling for conditional models"). Accidental hits, noise that equals the target itself,
// are masked by default, as peers do: less variance, for a bias that vanishes as k q(target) does.
// Either way s is learned up to a constant for each row, so log Z is not held near 0.
#pragma once

#include <cstdint>

#include "partita/learn/losses/noise_distribution.hpp"
#include "partita/learn/losses/output_loss.hpp"

namespace partita::losses {

struct SampledSoftmaxOptions {
  std::int64_t noise = 100;          ///< k, draws of noise per row
  bool shared_noise = false;         ///< one set of k draws for all rows of a batch
  bool mask_accidental_hits = true;  ///< leave out noise that equals the row's own target
};

class SampledSoftmaxLoss : public OutputLoss {
 public:
  /// @throws InvalidArgument if noise < 1.
  explicit SampledSoftmaxLoss(NoiseDistribution noise, SampledSoftmaxOptions options = {});

 private:
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;

  NoiseDistribution noise_;
  SampledSoftmaxOptions options_;
};

}  // namespace partita::losses
