// SPDX-License-Identifier: Apache-2.0
// A language model from a file, with the text of its tokens, for generate and lm evaluate.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "apps/experiments/run.hpp"
#include "partita/search/sequence_model.hpp"
#include "partita/text/text_units.hpp"

namespace partita::app {

/// Where the model is and, for a TorchScript module, which knows nothing of text, its tokens; for a
/// GGUF file, how it is to be run.
struct ModelFile {
  std::string path;
  std::string vocabulary;  ///< one token per line, or a SentencePiece model
  UnitKind units = UnitKind::character;
  std::string start_token;
  std::string end_token;
  Device device = Device::cpu;
  std::size_t context = 0;   ///< tokens of the longest text; 0: as the model was trained
  bool fast = false;         ///< llama.cpp's own cache and attention
  int threads = 1;           ///< of a GGUF model
  std::size_t prefixes = 0;  ///< how many a search will hold at once; 0: some
};

/// --vocabulary, --units, --start-token, --end-token, --device, --context, --fast
void add_model_options(CLI::App& app, ModelFile& file);

struct TextGenerator {
  std::string kind;  ///< "ngram", "lstm", "transformer", "torchscript", "gguf"
  std::shared_ptr<const SequenceModel> model;
  std::function<Sequence(std::string_view)> encode;  ///< without the end; InvalidArgument
  std::function<std::string(std::span<const Token>)> decode;
  std::optional<Token> unknown = {};  ///< what stands for words or pieces that it never saw
  bool threaded = false;              ///< it uses ModelFile::threads itself, in one call at a time
};

/// A model whose tokens are those of `units`.
TextGenerator generator_of(std::string kind, std::shared_ptr<const SequenceModel> model,
                           const TextUnits& units);

/// The tokens of an option's text. @throws InvalidArgument naming the option.
Sequence encode_argument(const TextGenerator& generator, const char* option,
                         const std::string& text);

/// @throws DataError naming `path`, from which `other` came, if its tokens are not those of
///         `generator`: as many, with the same texts, and the same one for the end.
void check_same_tokens(const TextGenerator& generator, const TextGenerator& other,
                       const std::string& path);

/// @throws IoError, DataError
TextGenerator open_model(const ModelFile& file);

}  // namespace partita::app
