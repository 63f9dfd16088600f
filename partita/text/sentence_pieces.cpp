// SPDX-License-Identifier: Apache-2.0
#include "partita/text/sentence_pieces.hpp"

#include <fmt/format.h>

#ifdef PARTITA_SENTENCEPIECE
#include <dlfcn.h>
#endif

#include <stdexcept>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/text/internal/sentence_pieces_module.hpp"

namespace partita {
namespace {

#ifdef PARTITA_SENTENCEPIECE
const SentencePieceFunctions& functions() {
  static const SentencePieceFunctions* const loaded = [] {
    // Nobody else sees its symbols, and it sees its own before those of libtorch. It stays loaded.
    void* const library =
        ::dlopen("libpartita_sentencepiece.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void* const symbol = library == nullptr ? nullptr : ::dlsym(library, kSentencePieceFunctions);
    if (symbol == nullptr)
      throw Error(fmt::format("SentencePiece cannot be loaded: {}", ::dlerror()));
    return static_cast<const SentencePieceFunctions*>(symbol);
  }();
  return *loaded;
}
#else
const SentencePieceFunctions& functions() {
  throw Error("this partita was built without SentencePiece (libsentencepiece-dev)");
}
#endif

/// "Internal: ./src/x.cc(580) [condition] Vocabulary size is smaller than ...": the useful
/// part comes last.
std::string reason(const std::runtime_error& error) {
  const std::string text = error.what();
  const std::size_t bracket = text.rfind("] ");
  return bracket == std::string::npos || bracket + 2 >= text.size() ? text
                                                                    : text.substr(bracket + 2);
}

/// @param token -1: none
std::optional<Token> if_any(int token) {
  return token < 0 ? std::nullopt : std::optional<Token>(token);
}

}  // namespace

SentencePieces SentencePieces::train(std::span<const std::string> lines, std::size_t vocabulary) {
  const SentencePieceFunctions& sentencepiece = functions();
  std::string model;
  try {
    model = sentencepiece.train(lines, vocabulary);
  } catch (const std::runtime_error& error) {
    throw InvalidArgument("vocabulary", fmt::format("{}: {}", vocabulary, reason(error)));
  }
  return {"what SentencePiece trained", std::move(model)};
}

SentencePieces::SentencePieces(const std::string& name, std::string model)
    : bytes_(std::make_shared<const std::string>(std::move(model))) {
  const SentencePieceFunctions& sentencepiece = functions();
  try {
    model_ = sentencepiece.load(*bytes_);
  } catch (const std::runtime_error&) {
    throw DataError(name, "expected a SentencePiece model");
  }
}

std::size_t SentencePieces::size() const { return static_cast<std::size_t>(model_->size()); }

std::optional<Token> SentencePieces::start_token() const { return if_any(model_->start()); }
std::optional<Token> SentencePieces::end_token() const { return if_any(model_->end()); }

Token SentencePieces::unknown_token() const { return static_cast<Token>(model_->unknown()); }

std::optional<Token> SentencePieces::find(std::string_view piece) const {
  const int token = model_->find(piece);
  const bool unknown = token == model_->unknown() && piece != "<unk>";
  return unknown ? std::nullopt : std::optional<Token>(token);
}

Sequence SentencePieces::encode(std::string_view text) const {
  const std::vector<int> tokens = model_->encode(text);
  return {tokens.begin(), tokens.end()};
}

std::string SentencePieces::decode(std::span<const Token> tokens) const {
  return model_->decode({tokens.begin(), tokens.end()});
}

}  // namespace partita
