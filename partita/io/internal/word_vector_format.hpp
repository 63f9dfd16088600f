// SPDX-License-Identifier: Apache-2.0
// Word vectors as text and in word2vec's binary form, as bytes in memory; word_vectors.hpp has the
// files. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "partita/io/file.hpp"
#include "partita/io/word_vectors.hpp"

namespace partita {

enum class VectorFormat : std::uint8_t { text, binary };

/// @param name stands for the path in errors
/// @param format what the bytes should be; nothing if that is not known
/// @throws DataError as load_word_vectors
WordVectors parse_word_vectors(const std::string& name, std::string_view bytes,
                               std::optional<VectorFormat> format,
                               const WordVectorOptions& options = {});

/// @param vectors rows of contiguous float
void write_word_vectors(const Sink& sink, VectorFormat format,
                        const std::function<std::string_view(std::size_t i)>& word, Rows vectors);

/// Keeps a word and its place unless it came before, or has nothing left without invalid bytes.
/// @param where the word's line, for messages. @throws DataError
class WordCollector {
 public:
  WordCollector(const std::string& name, const WordVectorOptions& options)
      : name_(name), options_(options) {}

  /// True if the word is new, and its vector is to be kept.
  bool add(std::string_view word, const std::string& where);

  const std::vector<std::string>& words() const { return words_; }
  std::size_t seen() const { return seen_; }
  bool is_enough() const { return options_.limit > 0 && words_.size() >= options_.limit; }

  /// Moves words and notes into the result.
  void finish(WordVectors& out);

 private:
  const std::string& name_;
  WordVectorOptions options_;
  std::vector<std::string> words_ = {};
  std::unordered_set<std::string> index_ = {};
  std::size_t seen_ = 0;
  std::size_t duplicates_ = 0;
  std::string first_duplicate_ = {};
  std::size_t repaired_ = 0;
};

}  // namespace partita
