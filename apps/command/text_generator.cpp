// SPDX-License-Identifier: Apache-2.0
#include "apps/command/text_generator.hpp"

#include <fmt/format.h>

#include <utility>

#include "apps/command/learn/neural.hpp"
#include "apps/command/light/gguf.hpp"
#include "apps/command/options.hpp"
#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"
#include "partita/text/ngram.hpp"

namespace partita::app {
namespace {

/// Whether this is a zip archive, as TorchScript's files are.
bool is_zip(std::string_view bytes) { return bytes.substr(0, 4) == "PK\x03\x04"; }

}  // namespace

void add_model_options(CLI::App& app, ModelFile& file) {
  add_device(app, file.device, "Of neural models");
  const std::string script = "Of a TorchScript module";
  app.add_option("--vocabulary", file.vocabulary,
                 "its tokens, one per line; or a SentencePiece model")
      ->option_text("FILE")
      ->group(script);
  add_choice(app, "--units", file.units,
             names<UnitKind>({{"char", UnitKind::character}, {"word", UnitKind::word}}),
             "char: text is its tokens joined, each a character of a prompt; word: joined by "
             "spaces (char)")
      ->option_text("UNITS")
      ->group(script);
  app.add_option(
         "--start-token", file.start_token,
         "token of the vocabulary that it reads before a text begins (none; SentencePiece's <s>; a "
         "GGUF file's own)")
      ->option_text("TOKEN")
      ->group(script);
  app.add_option("--end-token", file.end_token,
                 "token that ends a text (none; SentencePiece's </s>)")
      ->option_text("TOKEN")
      ->group(script);
  const std::string gguf = "Of a GGUF file";
  app.add_option("--context", file.context,
                 "the longest text in tokens, the prompt included (as the model was trained)")
      ->option_text("N")
      ->group(gguf)
      ->check(whole_number(1, 1U << 30U));
  app.add_flag("--fast", file.fast,
               "llama.cpp's half-precision cache and fused attention: results then depend on k")
      ->group(gguf);
}

TextGenerator generator_of(std::string kind, std::shared_ptr<const SequenceModel> model,
                           const TextUnits& units) {
  return {.kind = std::move(kind),
          .model = std::move(model),
          .encode = [units](std::string_view text) { return units.encode(text); },
          .decode = [units](std::span<const Token> tokens) { return units.decode(tokens); },
          .unknown = units.unknown_token()};
}

Sequence encode_argument(const TextGenerator& generator, const char* option,
                         const std::string& text) {
  try {
    return generator.encode(text);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(option, error.reason());
  }
}

void check_same_tokens(const TextGenerator& generator, const TextGenerator& other,
                       const std::string& path) {
  const std::size_t size = generator.model->vocabulary_size();
  if (other.model->vocabulary_size() != size) {
    throw DataError(path, fmt::format("a vocabulary of {} tokens, the model's has {}",
                                      other.model->vocabulary_size(), size));
  }
  const Token end = generator.model->end_token();
  if (other.model->end_token() != end) {
    throw DataError(path, fmt::format("texts end with token {}, the model's with {}",
                                      other.model->end_token(), end));
  }
  for (std::size_t i = 0; i < size; ++i) {
    const auto token = static_cast<Token>(i);
    if (token == end) continue;
    const std::string text = generator.decode({&token, 1});
    if (other.decode({&token, 1}) != text) {
      throw DataError(path, fmt::format("token {} is '{}', the model's is '{}'", token,
                                        other.decode({&token, 1}), text));
    }
  }
}

TextGenerator open_model(const ModelFile& file) {
  const MappedFile mapped(file.path);
  if (is_gguf(file.path, mapped.bytes())) return open_gguf(file);
  if (is_zip(mapped.bytes()) || archive_kind(mapped.bytes()) == "language-model") {
    return open_neural(file);
  }
  const auto model = std::make_shared<NgramModel>(NgramModel::load(file.path));
  return generator_of("ngram", model, model->units());
}

}  // namespace partita::app
