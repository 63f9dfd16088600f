// SPDX-License-Identifier: Apache-2.0
// A GGUF file as a sequence model, by llama.cpp: every search of Partita over the models that
// people run. An optional component: find_package(partita COMPONENTS llama), target partita::llama.
//
//   partita::LlamaModel model("qwen.gguf", {.sequences = 16, .threads = 8});
//   const partita::Sequence prompt = model.encode("Once upon a time");
//   const auto beam = partita::stochastic_beam_search(model, prompt, 16, {.seed = 1});
//   for (const auto& y : beam.sequences) print(model.decode(y.tokens), y.log_prob);
//
// The prefixes of a search are sequences of one llama_context, which share the cells of its cache
// as far as they share tokens: a step decodes one token for each. The cache grows as it is needed.
// Contexts are kept for later searches, together with the tokens of one of their prefixes, so that
// a prompt is not read twice.
//
// By default logits depend on a prefix alone, up to rounding (1e-5): the caches are of single
// precision and attention is not fused. llama.cpp's own defaults are faster, but there logits
// depend on what else is in the batch, by 3e-4 to 1e-2 in our tests, which breaks the promises of
// stochastic_beam.hpp: the beam for k need not begin the beam for k + 1.
//
// Tested with transformers on the CPU. Models that only encode are refused.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "partita/search/sequence_model.hpp"

namespace partita {

struct LlamaOptions {
  /// The most prefixes that a search may hold at once, which is the largest k of a beam: 1 ... 256.
  /// Each costs memory for a row of logits.
  std::size_t sequences = 64;
  /// The longest prefix in tokens, the start token included; 0: what the model was trained with.
  std::size_t context = 0;
  int threads = 1;  ///< that a call computes with; >= 1
  /// false: llama.cpp's own defaults, a half-precision cache and fused attention where it has it.
  bool batch_invariant = true;
  /// Whether to compute on a GPU, if llama.cpp was built for one.
  bool gpu = false;
  /// The token before every prefix. By default what the file asks for, which may be none: then an
  /// empty prefix is refused.
  std::optional<Token> start_token = {};
};

/// Copies share the model. Several threads may search at once.
class LlamaModel final : public SequenceModel {
 public:
  /// @throws IoError if the file cannot be read, DataError if it is no GGUF file, is cut short, or
  ///         holds a model that llama.cpp refuses or that only encodes, InvalidArgument if an
  ///         option is out of range.
  explicit LlamaModel(const std::string& path, const LlamaOptions& options = {});

  std::size_t vocabulary_size() const override;
  /// The end of text, or of a turn if there is none; -1 if there is neither.
  Token end_token() const override;
  DType logits_dtype() const override { return DType::f32; }
  std::size_t most_prefixes() const override;
  std::unique_ptr<DecodingState> start() const override;
  /// @throws InvalidArgument if a prefix is longer than the context, or empty without a start
  /// token.
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

  /// Text as tokens of the model's own vocabulary, without a start or end. Text that looks like a
  /// control token is text. @throws InvalidArgument if the vocabulary has no token for a part of it
  Sequence encode(std::string_view text) const;
  /// The text of the tokens, one after the other; control tokens have none.
  std::string decode(std::span<const Token> tokens) const;

  /// The token that the vocabulary writes so, "<|im_start|>" or "</s>", if there is one.
  std::optional<Token> find(std::string_view text) const;

  std::size_t context() const;  ///< the longest prefix, in tokens

 private:
  struct Data;
  class State;
  std::shared_ptr<Data> data_;
};

}  // namespace partita
