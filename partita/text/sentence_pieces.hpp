// SPDX-License-Identifier: Apache-2.0
// Subword units by SentencePiece (Kudo, Richardson 2018): pieces of words and whole words, learned
// from a text, or read from the model file that a Python network was trained with.
//
//   SentencePieces pieces = SentencePieces::train(lines, 8000);
//   SentencePieces pieces("spm.model", read_file("spm.model"));
//   Sequence tokens = pieces.encode("the old whale");
//   std::string text = pieces.decode(tokens);
//
// SentencePiece and libtorch bring two versions of protobuf, which abort when they meet. So the
// code that calls SentencePiece is in a library of its own, libpartita_sentencepiece.so, which is
// loaded on first use, isolated from all other symbols. It is built where libsentencepiece-dev is
// installed, and found like any shared library.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "partita/search/sequence_model.hpp"

namespace partita {

/// Immutable; copies share what was learned.
class SentencePieces {
 public:
  /// A unigram model (Kudo 2018), which loses nothing: all characters of the lines are pieces, and
  /// spaces are kept. Token 0 is the end, token 1 "<unk>".
  /// @param lines UTF-8.
  /// @param vocabulary number of pieces; fewer if the lines do not yield as many.
  /// @throws InvalidArgument for too small a vocabulary; Error without the library.
  static SentencePieces train(std::span<const std::string> lines, std::size_t vocabulary);

  /// @param name stands for the model in errors. @param model the bytes of its file.
  /// @throws DataError if they are not a model; Error without the library.
  SentencePieces(const std::string& name, std::string model);

  std::size_t size() const;
  std::optional<Token> start_token() const;  ///< "<s>", if the model has it
  std::optional<Token> end_token() const;    ///< "</s>", if the model has it
  Token unknown_token() const;               ///< "<unk>"
  /// The token of a piece such as "▁whale" or "</s>".
  std::optional<Token> find(std::string_view piece) const;

  Sequence encode(std::string_view text) const;
  /// @param tokens each of 0 ... size() - 1. Start, end and padding have no text.
  std::string decode(std::span<const Token> tokens) const;

  const std::string& bytes() const { return *bytes_; }  ///< the model's file

  class Model;

 private:
  std::shared_ptr<const std::string> bytes_;
  std::shared_ptr<const Model> model_;
};

}  // namespace partita
