// SPDX-License-Identifier: Apache-2.0
// From a corpus to training windows: which words of it survive subsampling, how far each one looks,
// and its noise words. All of it is a function of (stream, epoch, position in the corpus), so a
// range of positions always gives the same windows, and windows do not depend on where ranges end.
// Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/embedding/corpus.hpp"
#include "partita/random/alias_table.hpp"
#include "partita/random/stream.hpp"

namespace partita {

struct WindowOptions {
  std::size_t window = 5;    ///< most words to each side; each center draws 1 ... window
  std::size_t negative = 5;  ///< noise words per center
  double sample = 1e-3;      ///< threshold of subsampling; 0: every word is kept
};

/// A center and its context: the entries [first, last) of `words` except the center itself.
struct Window {
  std::uint64_t position;  ///< the center's position in the corpus
  std::uint32_t center;    ///< its index in `words`
  std::uint32_t first;
  std::uint32_t last;
};

/// The windows of a range of positions. A center without a neighbor has none.
struct WindowBatch {
  std::vector<WordId> words;      ///< the kept words of the range and of what its windows reach
  std::vector<Window> windows;    ///< in the order of the corpus
  std::vector<WordId> negatives;  ///< [windows, negative]
};

class WindowSampler {
 public:
  /// Both must outlive it. The noise draws ids of the corpus' vocabulary.
  WindowSampler(const Corpus& corpus, const AliasTable& noise, const Stream& stream,
                const WindowOptions& options);

  /// Fills `batch` with the windows whose centers are at positions [first, last), which the corpus
  /// holds; they reach no further than what it holds.
  void sample(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
              WindowBatch& batch) const;

  /// The probability that subsampling keeps an occurrence of the word: with f its share of the
  /// corpus and t = sample, min(1, sqrt(t / f) + t / f), as in word2vec.
  double keep_probability(WordId id) const;

 private:
  /// A kept word, or a line end, whose word is Corpus::kLineEnd.
  struct Kept {
    std::uint64_t position;
    WordId word;
  };

  void append_kept(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                   std::vector<Kept>& kept) const;
  std::vector<Kept> reach(std::uint64_t epoch, std::uint64_t first, std::uint64_t last) const;

  const Corpus& corpus_;
  const AliasTable& noise_;
  Stream stream_;
  WindowOptions options_;
  std::vector<std::uint64_t> threshold_;  // per word: it is kept if 64 random bits are below this
};

}  // namespace partita
