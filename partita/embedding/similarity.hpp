// SPDX-License-Identifier: Apache-2.0
// What word vectors know: nearest words, and how well similarities and analogies agree with human
// judgment.
//
//   partita::WordSimilarity words(partita::load_word_vectors("novels.bin"));
//   for (const auto& [word, cosine] : words.nearest("whale", 10)) std::cout << word << '\n';
//   words.nearest("king - man + woman", 1);               // queen, one hopes
//   auto men = words.similarity("men3000.txt");       // men.correlation, men.pairs of men.lines
//   auto analogies = words.analogies("questions-words.txt");
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/io/word_vectors.hpp"

namespace partita {

struct Neighbor {
  std::string word;
  double cosine;
};

struct SimilarityScore {
  double correlation;  ///< Spearman's, of human scores and cosines; NaN for fewer than 2 pairs
  std::size_t pairs;   ///< pairs whose two words are known
  std::size_t lines;   ///< pairs in the file
};

struct AnalogyScore {
  std::string section;  ///< ": capital-common-countries" without the colon
  std::size_t correct;
  std::size_t questions;  ///< questions whose four words are known
  std::size_t lines;
};

/// Word vectors scaled to length 1. One of zeros stays: its cosines are 0.
class WordSimilarity {
 public:
  explicit WordSimilarity(WordVectors vectors);

  /// The index of a word as written or, failing that, in lower case (ASCII).
  std::optional<std::size_t> find(std::string_view word) const;

  /// The k words with the largest cosine to the query's vector, excluding its own words.
  /// @param query a word; or words with " + " and " - " between them, whose vectors of length 1 are
  ///        added and subtracted (Mikolov et al. 2013)
  /// @throws InvalidArgument if a word is unknown, or the query's vector zero: it has no direction
  std::vector<Neighbor> nearest(std::string_view query, std::size_t k) const;

  /// A file of lines "word word score" (tabs, spaces or commas between); # begins a comment, and
  /// the first line may be a heading.
  /// @throws IoError; DataError naming the line
  SimilarityScore similarity(const std::filesystem::path& path) const;

  /// A file of lines "a b c d", a is to b as c is to d, in sections ": name". The answer is the
  /// word with the largest cosine to b - a + c, these three excluded (Mikolov et al. 2013).
  /// @param progress hears how many questions are answered
  /// @throws IoError; DataError naming the line
  std::vector<AnalogyScore> analogies(const std::filesystem::path& path, int threads = 1,
                                      const Progress& progress = {}) const;

 private:
  std::span<const float> row(std::size_t i) const;
  std::vector<Neighbor> nearest(std::span<const float> query, std::size_t k,
                                std::span<const std::size_t> without) const;

  WordVectors vectors_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

/// Spearman's rank correlation; ties share the mean of their ranks. NaN for fewer than 2 pairs or
/// where one side is constant. @throws InvalidArgument if the lengths differ
double spearman(std::span<const double> a, std::span<const double> b);

}  // namespace partita
