// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of word vectors: corpora of a text, and whether vectors tell topics apart.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/embedding/corpus.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "temporary_directory.hpp"

namespace partita::testing {

inline Corpus corpus_of(const std::string& text) {
  const TemporaryDirectory directory;
  write_file(directory / "text", text);
  return Corpus(directory / "text", {.min_count = 1});
}

/// Lines about one of `topics` topics, each with ten words of its own (a0 ... a9, b0 ...), and one
/// word that all share.
inline std::string topics_text(std::size_t lines, std::size_t topics = 3, std::uint64_t seed = 11) {
  std::string text;
  std::uint64_t position = 0;
  const auto below = [&](std::uint64_t n) { return Stream{seed}.bits(position++) % n; };
  for (std::size_t line = 0; line < lines; ++line) {
    const auto topic = static_cast<char>('a' + below(topics));
    for (int i = 0; i < 12; ++i) {
      text += i % 6 == 5 ? "the " : fmt::format("{}{} ", topic, below(10));
    }
    text += '\n';
  }
  return text;
}

inline std::vector<float> values(Rows rows) {
  std::vector<float> all;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const float* const row = rows.row_data<float>(i);
    all.insert(all.end(), row, row + rows.columns());
  }
  return all;
}

inline double cosine(Rows rows, WordId a, WordId b) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t c = 0; c < rows.columns(); ++c) {
    const double x = rows.row_data<float>(a)[c];
    const double y = rows.row_data<float>(b)[c];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / std::sqrt(aa * bb);
}

/// Mean cosine of words of one topic, less that of words of different ones.
inline double separation(const Corpus& corpus, Rows vectors) {
  double same = 0;
  double different = 0;
  double same_pairs = 0;
  double different_pairs = 0;
  const Vocabulary& words = corpus.vocabulary();
  for (WordId a = 0; a < words.size(); ++a) {
    for (WordId b = 0; b < a; ++b) {
      if (words.word(a) == "the" || words.word(b) == "the") continue;
      const bool one_topic = words.word(a)[0] == words.word(b)[0];
      (one_topic ? same : different) += cosine(vectors, a, b);
      (one_topic ? same_pairs : different_pairs) += 1;
    }
  }
  return same / same_pairs - different / different_pairs;
}

}  // namespace partita::testing
