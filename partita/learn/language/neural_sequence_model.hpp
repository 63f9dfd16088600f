// SPDX-License-Identifier: Apache-2.0
// A neural language model as a sequence model for searches: incremental, in batches, on any device.
//
//   partita::language::NeuralSequenceModel model(lstm, /*end_token=*/0);
//   auto beam = partita::stochastic_beam_search(model, {}, 32, {.seed = 1});
//
// Its decoding state is the language model's cache, whose rows follow the search's. Rows of one
// length are computed together, so prompts of several lengths cost one call per length. On some
// processors a matrix product rounds a row by how many there are, so logits of another batch, or of
// another number of threads, which divide it, may differ in their last bits.
#pragma once

#include <memory>

#include "partita/learn/language/language_model.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::language {

class NeuralSequenceModel : public SequenceModel {
 public:
  /// @param end_token ends a sequence; -1: only the maximum length does.
  /// @param start_token what the model has read before a sequence begins, as in its training.
  /// @throws InvalidArgument if there is no model, or one of the tokens is not in its vocabulary.
  NeuralSequenceModel(std::shared_ptr<const LanguageModel> model, Token end_token,
                      Token start_token);
  /// The end of one sequence is the start of the next.
  NeuralSequenceModel(std::shared_ptr<const LanguageModel> model, Token end_token)
      : NeuralSequenceModel(std::move(model), end_token, end_token) {}

  std::size_t vocabulary_size() const override;
  Token end_token() const override { return end_token_; }
  DType logits_dtype() const override { return DType::f32; }
  std::unique_ptr<DecodingState> start() const override;
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

 private:
  std::shared_ptr<const LanguageModel> model_;
  Token end_token_;
  Token start_token_;
};

}  // namespace partita::language
