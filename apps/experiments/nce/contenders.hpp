// SPDX-License-Identifier: Apache-2.0
// The losses that `partita nce` compares, and the model that each of them trains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/experiments/nce/experiment.hpp"
#include "partita/learn/losses/noise_distribution.hpp"
#include "partita/learn/losses/output_loss.hpp"

namespace partita::app {

/// How often each word is a target in training, and the laws made of it.
struct Frequencies {
  std::vector<std::uint64_t> counts;  ///< + 1
  losses::NoiseDistribution noise;
  Tensor log_unigram;  ///< double [V]
};

/// A log-bilinear model of a word given the one before it (Mnih and Hinton 2007): score of w after
/// c = context[c] . word[w] + bias[w].
struct Model {
  Tensor context;  ///< [V, d]
  losses::OutputLayer output;
  Tensor log_z;  ///< [V], for a loss that learns one for each context; begins far off

  /// @param bias [outputs]
  Model(std::int64_t contexts, const Tensor& bias, std::int64_t dim, const Stream& stream);

  std::vector<Tensor> parameters() const { return {context, output.weight, output.bias, log_z}; }

  losses::OutputBatch batch(const Tensor& before, const Tensor& targets) const {
    return {at::embedding(context, before, -1, false, /*sparse=*/true), targets, before};
  }
};

/// A loss with its name, and what makes it and the model that it will train.
struct Contender {
  std::string name;
  LossKind kind;
  std::int64_t noise;  ///< draws per pair, or 0
  std::function<std::unique_ptr<losses::OutputLoss>(const Frequencies&, const Model&)> make;
};

std::vector<Contender> contenders();

/// A model without contexts to begin with, in whatever the loss's scores mean.
Model model_for(LossKind kind, const Frequencies& frequencies, std::int64_t dim,
                const Stream& stream);

/// What makes log-probabilities, up to a constant, of the scores of a loss that learns how much
/// likelier than its noise a word is: float [V]; undefined for another loss.
Tensor missing_log_q(const Contender& contender, const Frequencies& frequencies);

}  // namespace partita::app
