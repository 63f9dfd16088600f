// SPDX-License-Identifier: Apache-2.0
// A text as a sequence of word numbers: read once, from a file, a gzip file or standard input, then
// available from any position, however large it is.
//
//   partita::Corpus corpus("novels.txt.gz", {.min_count = 5});
//   std::vector<partita::WordId> ids(1000);
//   corpus.read(5000, ids);                    // positions 5000 ... 5999
//   for (auto id : ids) {
//     if (id == partita::Corpus::kLineEnd) … else corpus.vocabulary().word(id);
//   }
//
// Words are separated by the white space of Python's str.split(): Unicode's and the ASCII
// separators 0x1C ... 0x1F. So a no-break or thin space ends a word like any other, and no word can
// hold a space at which another program's reader of word vectors would split it. A line may be of
// any length, and a word is never cut. Words outside the vocabulary are dropped, so that their
// neighbors become neighbors of each other, as in word2vec.
//
// The numbers are kept in an unnamed file in the directory for temporary files (TMPDIR), 4 bytes
// per word; memory holds only the vocabulary.
//
// Processes that work together share the reading: each reads, counts and keeps a part of the file,
// between two words, and what they have counted is put together. Vocabulary, positions and checksum
// are those of one process that reads all of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "partita/base/group.hpp"
#include "partita/base/progress.hpp"
#include "partita/embedding/vocabulary.hpp"

namespace partita {

class Corpus {
 public:
  /// Separates two lines, each of which holds at least one word.
  static constexpr WordId kLineEnd = 0xFFFFFFFFU;

  /// Reads a UTF-8 text; gzip is recognized by its first bytes, and "-" is standard input.
  /// @param group every rank of it reads and holds a part, about as many bytes on each; all of a
  ///              gzip file, which cannot be read from its middle
  /// @throws IoError
  /// @throws DataError naming the line: invalid UTF-8, a NUL byte, a word longer than 2^20 bytes; a
  ///         damaged gzip file; no words; or no word as frequent as min_count
  /// @throws InvalidArgument if min_count is 0
  explicit Corpus(const std::filesystem::path& path, const VocabularyOptions& options = {},
                  const Progress& progress = {}, Group& group = Group::alone());
  ~Corpus();
  Corpus(Corpus&&) noexcept;
  Corpus& operator=(Corpus&&) noexcept;

  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Number of positions: words of the vocabulary, and line ends between them.
  std::uint64_t size() const { return size_; }

  /// The positions held here, [first(), last()): all of them but where a group has divided the
  /// text.
  std::uint64_t first() const { return first_; }
  std::uint64_t last() const { return last_; }

  /// The ids at positions first ... first + out.size() - 1. Safe from many threads.
  /// @throws InvalidArgument for positions not held here; IoError
  void read(std::uint64_t first, std::span<WordId> out) const;

  /// CRC-32: equal for the same words in the same order.
  std::uint32_t checksum() const { return checksum_; }

 private:
  class Spool;

  std::unique_ptr<Spool> spool_;
  Vocabulary vocabulary_;
  std::uint64_t size_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  std::uint32_t checksum_ = 0;
};

}  // namespace partita
