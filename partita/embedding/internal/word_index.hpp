// SPDX-License-Identifier: Apache-2.0
// Words to numbers and back: a hash table that numbers words in order of first occurrence. The
// bytes of all words lie together, so that a million of them cost about 40 bytes each besides their
// own. Not installed: users see Vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace partita {

class WordIndex {
 public:
  /// The word's number; a new word gets the next one.
  /// @throws std::length_error at word 2^32 - 2
  std::uint32_t add(std::string_view word);

  std::optional<std::uint32_t> find(std::string_view word) const;

  std::string_view word(std::uint32_t number) const { return words_[number]; }
  std::size_t size() const { return words_.size(); }

 private:
  struct Slot {
    std::uint32_t tag;       // more bits of the hash, so that most other words need no comparison
    std::uint32_t number_1;  // the word's number + 1; 0 if the slot is free
  };

  /// The slot that holds the word, or the free one where it belongs.
  std::size_t slot_of(std::string_view word, std::uint64_t hash) const;
  std::string_view keep(std::string_view word);
  void grow();

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* block_end_ = nullptr;  // where the last block ends
  std::size_t left_ = 0;       // bytes free before it
  std::vector<std::string_view> words_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace partita
