// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/word_index.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>

namespace partita {
namespace {

constexpr std::size_t kBlock = 1U << 18U;  // bytes of words
constexpr std::size_t kFirstSlots = 1U << 10U;

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32U); }

}  // namespace

std::size_t WordIndex::slot_of(std::string_view word, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  while (slots_[i].number_1 != 0 &&
         (slots_[i].tag != tag_of(hash) || words_[slots_[i].number_1 - 1] != word)) {
    i = (i + 1) & mask;
  }
  return i;
}

std::optional<std::uint32_t> WordIndex::find(std::string_view word) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(word, std::hash<std::string_view>()(word))];
  if (slot.number_1 == 0) return std::nullopt;
  return slot.number_1 - 1;
}

std::uint32_t WordIndex::add(std::string_view word) {
  if (2 * (words_.size() + 1) > slots_.size()) grow();
  const std::uint64_t hash = std::hash<std::string_view>()(word);
  Slot& slot = slots_[slot_of(word, hash)];
  if (slot.number_1 == 0) {
    if (words_.size() >= std::numeric_limits<std::uint32_t>::max() - 2) {
      throw std::length_error("WordIndex: more words than 32 bits can number");
    }
    words_.push_back(keep(word));
    slot = {tag_of(hash), static_cast<std::uint32_t>(words_.size())};
  }
  return slot.number_1 - 1;
}

std::string_view WordIndex::keep(std::string_view word) {
  if (word.size() > left_ || blocks_.empty()) {
    const std::size_t size = std::max(kBlock, word.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    left_ = size;
    block_end_ = blocks_.back().get() + size;
  }
  char* const place = block_end_ - left_;
  if (!word.empty()) std::memcpy(place, word.data(), word.size());
  left_ -= word.size();
  return {place, word.size()};
}

void WordIndex::grow() {
  std::vector<Slot> old(std::max(kFirstSlots, 2 * slots_.size()), Slot{0, 0});
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.number_1 == 0) continue;
    std::size_t i = std::hash<std::string_view>()(words_[slot.number_1 - 1]) & mask;
    while (slots_[i].number_1 != 0) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

}  // namespace partita
