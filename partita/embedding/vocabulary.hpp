// SPDX-License-Identifier: Apache-2.0
// The words of a corpus, numbered from 0 by falling frequency.
//
//   partita::Corpus corpus("novels.txt.gz", {.min_count = 5});
//   const partita::Vocabulary& vocabulary = corpus.vocabulary();
//   vocabulary.word(0);                       // "the"
//   vocabulary.count(0);                      // 812,345
//   if (auto id = vocabulary.find("whale")) { … }
//
// WordCounter counts words that come from elsewhere:
//
//   partita::WordCounter counter;
//   for (std::string_view word : words) counter.add(word);
//   partita::Vocabulary vocabulary = counter.vocabulary({.min_count = 2, .max_size = 100'000});
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace partita {

using WordId = std::uint32_t;

struct VocabularyOptions {
  std::uint64_t min_count = 5;  ///< words that occur less often are left out; >= 1
  std::size_t max_size = 0;     ///< keep at most this many, the most frequent ones; 0: all
};

class WordIndex;

/// Words with their counts, by falling count; words that occur equally often keep the order of
/// their first occurrence. Immutable.
class Vocabulary {
 public:
  Vocabulary(Vocabulary&&) noexcept;
  Vocabulary& operator=(Vocabulary&&) noexcept;
  ~Vocabulary();

  std::size_t size() const { return counts_.size(); }
  std::string_view word(WordId id) const;
  std::uint64_t count(WordId id) const { return counts_[id]; }
  std::span<const std::uint64_t> counts() const { return counts_; }
  /// Sum of the counts.
  std::uint64_t total() const { return total_; }
  std::optional<WordId> find(std::string_view word) const;

 private:
  friend class WordCounter;
  Vocabulary();

  std::unique_ptr<WordIndex> index_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

/// Counts words, and numbers them provisionally in order of first occurrence.
class WordCounter {
 public:
  WordCounter();
  ~WordCounter();
  WordCounter(const WordCounter&) = delete;
  WordCounter& operator=(const WordCounter&) = delete;

  /// Counts `times` occurrences and returns the word's provisional number.
  std::uint32_t add(std::string_view word, std::uint64_t times = 1);

  std::size_t words() const { return counts_.size(); }  ///< distinct words
  std::string_view word(std::uint32_t number) const;    ///< by provisional number, as its count
  std::uint64_t count(std::uint32_t number) const { return counts_[number]; }
  std::uint64_t largest_count() const;  ///< count of the most frequent word; 0 without words

  /// The vocabulary under the options. Fills `ids`, if given, with the id of each provisional
  /// number, or kNoWord for a word that was left out.
  /// @throws InvalidArgument if min_count is 0
  Vocabulary vocabulary(const VocabularyOptions& options, std::vector<WordId>* ids = nullptr) const;

  static constexpr WordId kNoWord = 0xFFFFFFFFU;

 private:
  std::unique_ptr<WordIndex> index_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace partita
