// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/vocabulary.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/internal/word_index.hpp"

namespace partita {
namespace {

using testing::message_of;

std::vector<std::string> words_of(const Vocabulary& vocabulary) {
  std::vector<std::string> words;
  for (WordId id = 0; id < vocabulary.size(); ++id) words.emplace_back(vocabulary.word(id));
  return words;
}

TEST(WordIndex, NumbersWordsInOrderOfArrival) {
  WordIndex index;
  EXPECT_EQ(index.find("a"), std::nullopt);
  constexpr std::uint32_t kWords = 200'000;  // many blocks of bytes, many sizes of the table
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < kWords; ++i) ASSERT_EQ(index.add(fmt::format("w{}", i)), i);
  }
  EXPECT_EQ(index.size(), kWords);
  for (std::uint32_t i = 0; i < kWords; ++i) {
    ASSERT_EQ(index.word(i), fmt::format("w{}", i));
    ASSERT_EQ(index.find(fmt::format("w{}", i)), i);
  }
  EXPECT_EQ(index.find("w200000"), std::nullopt);
  EXPECT_EQ(index.find(""), std::nullopt);
}

TEST(WordIndex, HoldsWordsLongerThanABlock) {
  WordIndex index;
  const std::string longest(1'000'000, 'x');
  EXPECT_EQ(index.add("before"), 0U);
  EXPECT_EQ(index.add(longest), 1U);
  EXPECT_EQ(index.add("after"), 2U);
  EXPECT_EQ(index.word(1), longest);
  EXPECT_EQ(index.find(longest), 1U);
  EXPECT_EQ(index.find("before"), 0U);
}

TEST(Vocabulary, IsSortedByCountAndThenByArrival) {
  WordCounter counter;
  for (const char* word : {"c", "b", "a", "b", "d", "a", "e"}) counter.add(word);
  EXPECT_EQ(counter.words(), 5U);
  EXPECT_EQ(counter.largest_count(), 2U);
  std::vector<WordId> ids;
  const Vocabulary all = counter.vocabulary({.min_count = 1}, &ids);
  EXPECT_EQ(words_of(all), (std::vector<std::string>{"b", "a", "c", "d", "e"}));
  EXPECT_EQ(ids, (std::vector<WordId>{2, 0, 1, 3, 4}));
  EXPECT_EQ(all.total(), 7U);
  EXPECT_EQ(all.count(0), 2U);
  EXPECT_EQ(all.find("d"), 3U);
  EXPECT_EQ(all.find("f"), std::nullopt);
}

TEST(Vocabulary, MinCountAndSizeLeaveWordsOut) {
  WordCounter counter;
  for (const char* word : {"c", "b", "a", "b", "d", "a", "a"}) counter.add(word);
  std::vector<WordId> ids;
  const Vocabulary frequent = counter.vocabulary({.min_count = 2}, &ids);
  EXPECT_EQ(words_of(frequent), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ids, (std::vector<WordId>{WordCounter::kNoWord, 1, 0, WordCounter::kNoWord}));
  EXPECT_EQ(frequent.total(), 5U);
  EXPECT_EQ(words_of(counter.vocabulary({.min_count = 1, .max_size = 3})),
            (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(counter.vocabulary({.min_count = 4}).size(), 0U);
  EXPECT_EQ(message_of<InvalidArgument>([&] { counter.vocabulary({.min_count = 0}); }),
            "min_count: expected 1 or more, got 0");
}

}  // namespace
}  // namespace partita
