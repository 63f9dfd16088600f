// SPDX-License-Identifier: Apache-2.0
// Noise-contrastive estimation: a softmax over V outputs learned as a logistic regression that
// tells its targets from noise. The cost of a step does not depend on V.
//
//   const losses::NceLoss nce(losses::NoiseDistribution::unigram(counts, 1.0), {.noise = 25});
//   Tensor loss = nce({hidden, targets}, output, Stream{seed, step});
//
//   Tensor log_z = at::zeros({contexts}, at::TensorOptions().requires_grad(true));
//   const losses::NceLoss with_z(noise, {.noise = 25, .log_z = log_z});       // also learned
//   Tensor loss = with_z({hidden, targets, previous_words}, output, Stream{seed, step});
//
// With k draws of noise w ~ q for each target, and the model's u = exp(s) for its probability, the
// posterior that a word is data is u / (u + k q) = sigmoid(Delta), Delta = s - log(k q). The loss
// of a row is the binary cross-entropy of this:
//
//   -log sigmoid(Delta(target)) - sum over the noise of log sigmoid(-Delta(noise))
//
// (Gutmann and Hyvarinen 2012, "Noise-contrastive estimation of unnormalized statistical models";
// Mnih and Teh 2012, "A fast and simple algorithm for training neural probabilistic language
// models".) Its optimum is exp(s) = p, which is normalized by itself: Z = 1.
#pragma once

#include <cstdint>

#include "partita/learn/losses/noise_distribution.hpp"
#include "partita/learn/losses/output_loss.hpp"

namespace partita::losses {

struct NceOptions {
  std::int64_t noise = 25;    ///< k, draws of noise per row
  bool shared_noise = false;  ///< one set of k draws for all rows of a batch: a matrix product
  /// Leave out noise that equals the row's own target. In NCE that is a mistake (the classifier
  /// must see noise where there is noise); offered for comparison with implementations that do it.
  bool mask_accidental_hits = false;
  /// Delta = s - log Z - log(k q). Undefined: Z = 1. A tensor without dimensions: one learned log
  /// Z. [C]: one for each context, chosen by OutputBatch::contexts; its gradient is sparse. The
  /// caller keeps the tensor and gives it to the optimizer.
  Tensor log_z = {};
};

class NceLoss : public OutputLoss {
 public:
  /// @throws InvalidArgument if noise < 1, or if log_z has more than one dimension.
  explicit NceLoss(NoiseDistribution noise, NceOptions options = {});

 private:
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;
  Tensor log_z_of(const OutputBatch& batch) const;

  NoiseDistribution noise_;
  NceOptions options_;
};

struct NegativeSamplingOptions {
  std::int64_t noise = 5;             ///< k, draws of noise per row
  bool shared_noise = false;          ///< one set of k draws for all rows of a batch
  bool mask_accidental_hits = false;  ///< leave out noise that equals the row's own target
};

/// Negative sampling (Mikolov et al. 2013, "Distributed representations of words and phrases and
/// their compositionality"): NCE with Delta = s, as if k q were 1. It is NCE, to the last bit, for
/// k = V and uniform q; for other noise its optimum is exp(s) = p / (k q) (Levy and Goldberg 2014),
/// so scores learn how much likelier a word is under the data than under the noise, and softmax(s)
/// is not p.
class NegativeSamplingLoss : public OutputLoss {
 public:
  /// @throws InvalidArgument if noise < 1.
  explicit NegativeSamplingLoss(NoiseDistribution noise, NegativeSamplingOptions options = {});

 private:
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;

  NoiseDistribution noise_;
  NegativeSamplingOptions options_;
};

}  // namespace partita::losses
