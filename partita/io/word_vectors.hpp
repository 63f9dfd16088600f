// SPDX-License-Identifier: Apache-2.0
// Word vectors in the file formats of word2vec, fastText, GloVe and gensim.
//
//   partita::WordVectors vectors = partita::load_word_vectors("novels.bin");
//   vectors.words[0];                    // "the"
//   vectors.rows().row_data<float>(0);   // its vector
//   partita::save_word_vectors("novels.txt", vectors.words, vectors.rows());
//
//   .txt, .vec   text: "WORDS DIM", then one line per word: the word and its numbers separated by
//                spaces, in digits that read back to the same floats. GloVe's files lack the first
//                line.
//   .bin         word2vec's binary: the same first line, then word, space, DIM little-endian floats
//                and a line end, which gensim leaves out
//   .npy         float32 [words, dim], with the words beside it, one per line: vectors.npy has
//                vectors.words.txt
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

struct WordVectors {
  std::vector<std::string> words;
  std::size_t dim = 0;
  std::vector<float> values;       ///< [words, dim]
  std::vector<std::string> notes;  ///< what was odd but could be read, one line each

  Rows rows() const { return {values.data(), words.size(), dim}; }
};

/// What to do about a word that is not UTF-8; word2vec may cut one within a character. As Python's
/// errors= of the same names.
enum class EncodingErrors : std::uint8_t {
  strict,   ///< refuse the file
  replace,  ///< put U+FFFD where bytes are invalid
  ignore    ///< leave invalid bytes out
};

struct WordVectorOptions {
  std::size_t limit = 0;  ///< read only the first words; 0: all
  EncodingErrors encoding_errors = EncodingErrors::strict;
};

/// Reads any of these formats, gzipped or not, from a file, a pipe, or standard input ("-"). The
/// extension selects text or binary. Whatever it says, bytes that can only be the other are read as
/// that: words and numbers must fill the file to its end, so that no float is taken for text. Other
/// names are tried as text first.
///
/// A word may hold any character but a line end; in text files its numbers are the last ones on the
/// line, so that it may hold spaces or be one. Noted, not refused: a first line with another number
/// of words, and words that occur again, of which the first counts.
/// @throws IoError
/// @throws DataError naming the line or word: too few or too many numbers, a value that is not a
///         number or not finite, invalid UTF-8, a file that is cut short
WordVectors load_word_vectors(const std::filesystem::path& path,
                              const WordVectorOptions& options = {});

/// Writes the format given by the path's extension, or text to standard output ("-"); `word(i)` is
/// the word of row i. The output is never in memory as a whole.
/// @throws InvalidArgument for another extension, or a word that is empty or holds a line end or a
///         NUL, or a space unless the format is .npy
/// @throws IoError
void save_word_vectors(const std::filesystem::path& path,
                       const std::function<std::string_view(std::size_t i)>& word, Rows vectors);
void save_word_vectors(const std::filesystem::path& path, std::span<const std::string> words,
                       Rows vectors);

/// Throws what save_word_vectors would throw for this path, before there are any vectors: see
/// check_writable().
void check_word_vectors_path(const std::filesystem::path& path);

}  // namespace partita
