// SPDX-License-Identifier: Apache-2.0
// An ONNX file as a sequence model, by ONNX Runtime: every search of Partita over the decoders that
// Hugging Face's exporters write. An optional component: find_package(partita COMPONENTS onnx),
// target partita::onnx.
//
//   partita::OnnxModel model("model.onnx", {.end_token = 2, .start_token = 1, .threads = 8});
//   const auto beam = partita::stochastic_beam_search(model, prompt, 16, {.seed = 1});
//
// The file's inputs and outputs are known by their names:
//
//   input_ids             int64 [batch, tokens], needed
//   attention_mask        int64 [batch, past + tokens], of ones
//   position_ids          int64 [batch, tokens]: past, past + 1, ...
//   past_key_values.X     float or float16 [batch, ..., past, ...], empty at first; and what the
//                         output present.X gave, with `past` grown by what was read
//   logits                the output, float or float16 [batch, tokens or 1, vocabulary], needed
//
// With past_key_values a step reads one token for each prefix; without, it reads every prefix from
// its beginning. Equal prefixes are read once. The file holds no tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "partita/search/sequence_model.hpp"

namespace partita {

struct OnnxOptions {
  /// The token that ends a sequence, which the file does not tell; -1: only the maximum length
  /// does.
  Token end_token = -1;
  /// The token before every prefix; without one, an empty prefix is refused.
  std::optional<Token> start_token = {};
  int threads = 1;  ///< that a call computes with; >= 1
};

/// Copies share the model. Several threads may search at once.
class OnnxModel final : public SequenceModel {
 public:
  /// Reads one token, to learn the size of the vocabulary.
  /// @throws IoError if the file cannot be read, DataError if it is no model that ONNX Runtime can
  ///         run or has other inputs and outputs than those above, InvalidArgument if an option is
  ///         out of range, Error if the ONNX Runtime found is older than that compiled with.
  explicit OnnxModel(const std::string& path, const OnnxOptions& options = {});

  std::size_t vocabulary_size() const override;
  Token end_token() const override;
  DType logits_dtype() const override { return DType::f32; }
  std::unique_ptr<DecodingState> start() const override;
  /// @throws InvalidArgument if a prefix is empty without a start token or holds what is no token,
  ///         DataError if the model cannot read it, as when it is longer than the model's context.
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

 private:
  struct Data;
  class State;
  std::shared_ptr<Data> data_;
};

}  // namespace partita
