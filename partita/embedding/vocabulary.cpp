// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/vocabulary.hpp"

#include <algorithm>

#include "partita/base/internal/check.hpp"
#include "partita/embedding/internal/word_index.hpp"

namespace partita {

Vocabulary::Vocabulary() : index_(std::make_unique<WordIndex>()) {}
Vocabulary::Vocabulary(Vocabulary&&) noexcept = default;
Vocabulary& Vocabulary::operator=(Vocabulary&&) noexcept = default;
Vocabulary::~Vocabulary() = default;

std::string_view Vocabulary::word(WordId id) const { return index_->word(id); }

std::optional<WordId> Vocabulary::find(std::string_view word) const { return index_->find(word); }

WordCounter::WordCounter() : index_(std::make_unique<WordIndex>()) {}
WordCounter::~WordCounter() = default;

std::uint32_t WordCounter::add(std::string_view word, std::uint64_t times) {
  const std::uint32_t number = index_->add(word);
  if (number == counts_.size()) counts_.push_back(0);
  counts_[number] += times;
  return number;
}

std::string_view WordCounter::word(std::uint32_t number) const { return index_->word(number); }

std::uint64_t WordCounter::largest_count() const {
  return counts_.empty() ? 0 : *std::max_element(counts_.begin(), counts_.end());
}

Vocabulary WordCounter::vocabulary(const VocabularyOptions& options,
                                   std::vector<WordId>* ids) const {
  check_at_least("min_count", options.min_count, 1);
  std::vector<std::uint32_t> kept;
  for (std::uint32_t number = 0; number < counts_.size(); ++number) {
    if (counts_[number] >= options.min_count) kept.push_back(number);
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [&](auto a, auto b) { return counts_[a] > counts_[b]; });
  if (options.max_size > 0 && kept.size() > options.max_size) kept.resize(options.max_size);

  Vocabulary vocabulary;
  if (ids != nullptr) ids->assign(counts_.size(), kNoWord);
  vocabulary.counts_.reserve(kept.size());
  for (const std::uint32_t number : kept) {
    const WordId id = vocabulary.index_->add(index_->word(number));
    vocabulary.counts_.push_back(counts_[number]);
    vocabulary.total_ += counts_[number];
    if (ids != nullptr) (*ids)[number] = id;
  }
  return vocabulary;
}

}  // namespace partita
