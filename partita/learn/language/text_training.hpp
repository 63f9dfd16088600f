// SPDX-License-Identifier: Apache-2.0
// Training a language model on the lines of a text.
//
//   TextModel model = TextModel::make(units, LstmOptions{.dim = 256}, Stream{.seed = 1});
//   TextTrainingResult result = language::train(model, lines, losses::FullSoftmaxLoss(),
//                                               {.seed = 2}, {.epochs = 5});
//   result.held_out.perplexity;
//
// A line is read from its beginning, and its end is its last token. Long lines are cut into pieces
// of `length` tokens, each of which begins without memory of the one before. A batch holds pieces
// of similar length, so that little of it is padding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "partita/learn/language/text_model.hpp"
#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::language {

struct TextTrainingOptions {
  double epochs = 10;
  std::int64_t batch = 64;      ///< pieces per step
  std::int64_t length = 64;     ///< most tokens per piece
  double learning_rate = 2e-3;  ///< initial rate of Adam; falls linearly to a tenth
  double clip_norm = 1;         ///< largest norm of the gradient
  double held_out = 0.05;       ///< share of lines used only for evaluation, in [0, 1)
  std::uint64_t patience = 0;   ///< epochs without a better held-out perplexity; 0: all epochs
  at::Device device = at::kCPU;
  Group* group = &Group::alone();  ///< processes that train together: training/loop.hpp
};

/// The probability of lines under a model, per token, including line ends.
struct TextEvaluation {
  std::uint64_t tokens = 0;
  double log_likelihood = 0;  ///< mean over the tokens, in nats
  double perplexity = 0;      ///< exp(-log_likelihood)
};

struct TextTrainingResult {
  training::LoopResult loop;
  std::uint64_t tokens = 0;      ///< number of tokens in the training lines
  TextEvaluation held_out = {};  ///< covers no tokens if nothing was held out
};

/// Trains the model's network in place.
/// @param loss the loss to minimize; it draws noise from a stream of the step.
/// @param stream the source of held-out lines, order, dropout and the loss's noise
/// @throws InvalidArgument if an option is out of its range, or no line is left to train on.
TextTrainingResult train(TextModel& model, std::span<const std::string> lines,
                         const losses::OutputLoss& loss, const Stream& stream,
                         const TextTrainingOptions& options, const training::RunFiles& files = {},
                         const Progress& progress = {});

/// How well the model predicts lines that begin without memory, cut into pieces as in training.
TextEvaluation evaluate(const TextModel& model, std::span<const std::string> lines,
                        const TextTrainingOptions& options = {});

/// How often each token is a target in the lines, [V]: for a noise distribution.
std::vector<std::uint64_t> token_counts(const TextUnits& units, std::span<const std::string> lines);

}  // namespace partita::language
