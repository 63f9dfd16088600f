// SPDX-License-Identifier: Apache-2.0
// The tokens of a text: characters, words, or SentencePiece pieces.
//
//   TextUnits units = TextUnits::learn(UnitKind::word, lines, {.vocabulary = 10000});
//   Sequence tokens = units.encode("the old whale");
//   std::string text = units.decode(tokens);
//
// One token is the end of a line, which no text contains. Learned tokens are sorted by falling
// frequency, as an adaptive softmax needs them, after the end (0) and "<unk>" (1), which characters
// lack; SentencePiece's are sorted by the probability that it gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/io/archive.hpp"
#include "partita/search/sequence_model.hpp"
#include "partita/text/sentence_pieces.hpp"

namespace partita {

enum class UnitKind : std::uint8_t {
  character,      ///< Unicode code points
  word,           ///< separated by spaces; the most frequent ones, and "<unk>"
  sentencepiece,  ///< sentence_pieces.hpp
};

/// "char", "word", "sentencepiece"
const char* name_of(UnitKind kind);
/// @throws InvalidArgument for any other name.
UnitKind unit_kind(std::string_view name);

struct UnitOptions {
  /// Words: how many of the most frequent to keep, the others becoming "<unk>"; 0: all.
  /// SentencePiece: how many pieces; 0: 8000. Characters are all kept.
  std::size_t vocabulary = 0;
};

/// Immutable; copies share what was learned.
class TextUnits {
 public:
  /// @param lines UTF-8.
  /// @throws InvalidArgument if there are no lines or one is not UTF-8; as SentencePieces::train.
  static TextUnits learn(UnitKind kind, std::span<const std::string> lines,
                         const UnitOptions& options = {});
  /// The units of a model trained elsewhere.
  explicit TextUnits(SentencePieces pieces);

  UnitKind kind() const;
  std::size_t size() const;  ///< including the end
  Token end_token() const;
  /// What stands for words and pieces that were not learned, "<unk>"; characters have none.
  std::optional<Token> unknown_token() const;

  /// The tokens of a text, without the end.
  /// @throws InvalidArgument if it is not UTF-8, or holds an unknown character.
  Sequence encode(std::string_view text) const;
  /// The text of tokens. @throws InvalidArgument if one is the end or not in 0 ... size() - 1.
  std::string decode(std::span<const Token> tokens) const;

  void write(ArchiveWriter& out) const;
  /// @throws DataError
  static TextUnits read(ArchiveReader& in);

  struct Codec;
  explicit TextUnits(std::shared_ptr<const Codec> codec) : codec_(std::move(codec)) {}

 private:
  std::shared_ptr<const Codec> codec_;
};

}  // namespace partita
