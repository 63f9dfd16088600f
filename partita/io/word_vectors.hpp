// Word vectors in the file formats of word2vec, fastText and gensim.
//
//   partita::WordVectors vectors = partita::load_word_vectors("novels.bin");
//   vectors.words[0];                    // "the"
//   vectors.rows().row_data<float>(0);   // its vector
//   partita::save_word_vectors("novels.txt", vectors.words, vectors.rows());
//
//   .txt, .vec   text: "WORDS DIM", then one line per word: the word and its numbers separated by
//                spaces, in digits that read back to the same floats
//   .bin         word2vec's binary: the same first line, then word, space, DIM little-endian floats
//                and a line end
//   .npy         float32 [words, dim], with the words beside it, one per line: vectors.npy has
//                vectors.words.txt
#pragma once

#include <cstddef>
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
  std::vector<float> values;  ///< [words, dim]

  Rows rows() const { return {values.data(), words.size(), dim}; }
};

/// Reads any of the three; text and binary are told apart by their contents. A word may hold any
/// character but a line end, in text files even spaces: its numbers are the last ones on the line.
/// @throws IoError
/// @throws DataError naming the line or word: a first line that is malformed or has the wrong
///         number of words, too few or too many numbers, a value that is not a number or not
///         finite, invalid UTF-8, the same word twice
WordVectors load_word_vectors(const std::filesystem::path& path);

/// Writes the format given by the path's extension; `word(i)` is the word of row i. The output is
/// never in memory as a whole.
/// @throws InvalidArgument for another extension, or a word that is empty or holds a space, a line
///         end or a NUL
/// @throws IoError
void save_word_vectors(const std::filesystem::path& path,
                       const std::function<std::string_view(std::size_t i)>& word, Rows vectors);
void save_word_vectors(const std::filesystem::path& path, std::span<const std::string> words,
                       Rows vectors);

/// Throws what save_word_vectors would throw for this extension.
void check_word_vectors_path(const std::filesystem::path& path);

}  // namespace partita
