// SPDX-License-Identifier: Apache-2.0
#include "partita/io/word_vectors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "errors.hpp"
#include "gzip_bytes.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryDirectory;

class WordVectorsTest : public ::testing::Test {
 protected:
  WordVectors load(std::string_view bytes, const std::string& name = "v.txt") const {
    write_file(directory_ / name, bytes);
    return load_word_vectors(directory_ / name);
  }
  std::string refusal(std::string_view bytes, const std::string& name = "v.txt") const {
    const std::string message = message_of<DataError>([&] { load(bytes, name); });
    const std::string start = (directory_ / name) + ": ";
    EXPECT_TRUE(message.starts_with(start)) << message;
    return message.substr(std::min(start.size(), message.size()));
  }
  static std::string binary(std::initializer_list<float> values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.begin(), bytes.size());
    return bytes;
  }

  TemporaryDirectory directory_;
};

TEST_F(WordVectorsTest, EveryFormatRoundTripsToTheBit) {
  const WordVectors vectors{
      {"the", "caf\xC3\xA9", std::string(10'000, 'x'), "\xE9\xAF\xA8"},
      3,
      {0.1F, -0.0F, 1e-30F, 1.0F / 3, 16777217.0F, -1e30F, 5, 6, 7,
       std::numeric_limits<float>::min(), std::numeric_limits<float>::max(), -2.5e-8F},
      {}};
  for (const char* name : {"v.txt", "v.vec", "v.bin", "v.npy"}) {
    save_word_vectors(directory_ / name, vectors.words, vectors.rows());
    const WordVectors again = load_word_vectors(directory_ / name);
    EXPECT_EQ(again.words, vectors.words) << name;
    EXPECT_EQ(again.dim, 3U);
    EXPECT_EQ(std::memcmp(again.values.data(), vectors.values.data(), 12 * sizeof(float)), 0)
        << name;
  }
  EXPECT_TRUE(std::filesystem::exists(directory_ / "v.words.txt"));
}

TEST_F(WordVectorsTest, PaddedRowsAreWrittenWithoutTheirPadding) {
  const std::vector<float> padded = {1, 2, 99, 3, 4, 99};
  const Rows rows(padded.data(), 2, 2, 3);
  const std::vector<std::string> words = {"a", "b"};
  for (const char* name : {"v.txt", "v.bin", "v.npy"}) {
    save_word_vectors(directory_ / name, words, rows);
    EXPECT_THAT(load_word_vectors(directory_ / name).values, ElementsAre(1, 2, 3, 4)) << name;
  }
  EXPECT_EQ(read_file(directory_ / "v.txt"), "2 2\na 1 2\nb 3 4\n");
  EXPECT_EQ(read_file(directory_ / "v.bin"),
            "2 2\na " + binary({1, 2}) + "\nb " + binary({3, 4}) + "\n");
}

TEST_F(WordVectorsTest, WhatPeersWriteIsRead) {
  // fastText and word2vec end a line of numbers with a space.
  EXPECT_THAT(load("2 2\na 1 2 \nb -3e-1 +4 \n" + std::string()).words, ElementsAre("a", "b"));
  EXPECT_THAT(load("2 2\r\na 1 2\r\nb 3 4\r\n").values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(load("1 2\na 1 2").values, ElementsAre(1, 2));  // no last line end
  // gensim writes no line end behind a vector; floats that look like text, like a line end.
  const std::string record = "a " + binary({1, 2}) + "b " + binary({3, 4});
  EXPECT_THAT(load("2 2\n" + record, "v.bin").values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(load("2 2\n" + record, "v.model").words, ElementsAre("a", "b"));
}

// fastText 327, gensim 388
TEST_F(WordVectorsTest, SpacesInAWordDoNotBreakALine) {
  const WordVectors vectors = load(
      "4 2\n10\xC2\xA0"
      "000 1 2\n5\xE2\x80\x89km 3 4\nNew York 5 6\nnext\xC2\x85line 7 8\n");
  EXPECT_THAT(vectors.words, ElementsAre("10\xC2\xA0"
                                         "000",
                                         "5\xE2\x80\x89km", "New York", "next\xC2\x85line"));
  EXPECT_THAT(vectors.values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(WordVectorsTest, AFloatThatBeginsLikeALineEndIsAFloat) {
  const std::string bytes(
      "3 2\nthe \x0a\x12\x34\x3f\0\0\x80\x3e\nof \0\0\x80\x3e\0\0\x80\x3e\nto "
      "\0\0\x80\x3f\0\0\x80\x3e\n",
      41);
  for (const char* name : {"v.bin", "v", "v.txt"}) {
    EXPECT_THAT(load(bytes, name).words, ElementsAre("the", "of", "to")) << name;
  }
}

TEST_F(WordVectorsTest, GloveHasNoFirstLine) {
  const WordVectors vectors = load("the 0.5 1\n. . . 2 3\n5 4 5\n  6 7\n");
  EXPECT_THAT(vectors.words, ElementsAre("the", ". . .", "5", " "));
  EXPECT_EQ(vectors.dim, 2U);
  EXPECT_THAT(load("2 0.5 1\na 2 3\n").words, ElementsAre("2", "a"));  // not "WORDS DIM"
  EXPECT_THAT(load("New York 0.5 1\nthe 2 3\n").words, ElementsAre("New York", "the"));
  EXPECT_THAT(load("\xEF\xBB\xBF"
                   "1 2\na 2 3\n")
                  .words,
              ElementsAre("a"));  // a byte order mark
}

TEST_F(WordVectorsTest, AGzipFileIsInflated) {
  const std::string text = "2 2\na 1 2\nb 3 4\n";
  write_file(directory_ / "v.txt.gz", testing::gzip_bytes(text));
  EXPECT_THAT(load_word_vectors(directory_ / "v.txt.gz").words, ElementsAre("a", "b"));
}

TEST_F(WordVectorsTest, TheFirstOfEqualWordsCounts) {
  for (const auto& [name, bytes] :
       {std::pair<const char*, std::string>("v.txt", "4 1\na 1\nb 2\na 3\nb 4\n"),
        {"v.bin", "4 1\na " + binary({1}) + "\nb " + binary({2}) + "\na " + binary({3}) + "\nb " +
                      binary({4}) + "\n"}}) {
    const WordVectors vectors = load(bytes, name);
    EXPECT_THAT(vectors.words, ElementsAre("a", "b"));
    EXPECT_THAT(vectors.values, ElementsAre(1, 2));
    ASSERT_EQ(vectors.notes.size(), 1U);
    EXPECT_THAT(vectors.notes[0], EndsWith(": duplicate word a and 1 more; the first counts"));
  }
}

// fastText 452: a first line that is off by one.
TEST_F(WordVectorsTest, ANumberOfWordsThatIsWrongIsNoted) {
  const auto noted = [&](std::string_view bytes, const char* name, std::size_t words) {
    const WordVectors vectors = load(bytes, name);
    EXPECT_EQ(vectors.words.size(), words);
    return vectors.notes.empty() ? "" : vectors.notes[0];
  };
  EXPECT_THAT(noted("3 2\na 1 2\nb 3 4\n", "v.txt", 2),
              EndsWith("v.txt: the first line says 3 words, the file has 2"));
  EXPECT_THAT(noted("1 2\na 1 2\nb 3 4\n", "v.txt", 2), EndsWith("says 1 words, the file has 2"));
  EXPECT_THAT(noted("2 2\na " + binary({0.1F, 2}) + "\n", "v.bin", 1),
              EndsWith("says 2 words, the file has 1"));
  EXPECT_EQ(refusal("3 2\na 1 2\nb 3 4"), "cut short in line 3: the first line says 3 words");
}

TEST_F(WordVectorsTest, InvalidUtf8IsRefusedReplacedOrIgnored) {
  const std::string text = "3 1\n\xE2\x82 1\ncaf\xC3 2\nb 3\n";
  const auto read = [&](EncodingErrors errors) {
    write_file(directory_ / "v.txt", text);
    return load_word_vectors(directory_ / "v.txt", {.encoding_errors = errors});
  };
  EXPECT_EQ(refusal(text), "line 2: invalid UTF-8 at byte 1");
  EXPECT_THAT(read(EncodingErrors::replace).words,
              ElementsAre("\xEF\xBF\xBD", "caf\xEF\xBF\xBD", "b"));
  EXPECT_THAT(read(EncodingErrors::replace).notes[0], EndsWith("2 words with invalid UTF-8"));
  EXPECT_THAT(read(EncodingErrors::ignore).words, ElementsAre("caf", "b"));
  EXPECT_THAT(read(EncodingErrors::ignore).values, ElementsAre(2, 3));
}

TEST_F(WordVectorsTest, TheFirstWordsMayBeEnough) {
  const std::vector<std::string> words = {"a", "b", "c"};
  const std::vector<float> values = {1, 2, 3};
  for (const char* name : {"v.txt", "v.bin", "v.npy"}) {
    save_word_vectors(directory_ / name, words, {values.data(), 3, 1});
    const WordVectors two = load_word_vectors(directory_ / name, {.limit = 2});
    EXPECT_THAT(two.words, ElementsAre("a", "b")) << name;
    EXPECT_THAT(two.values, ElementsAre(1, 2));
    EXPECT_TRUE(two.notes.empty());
    EXPECT_EQ(load_word_vectors(directory_ / name, {.limit = 9}).words.size(), 3U);
  }
}

TEST_F(WordVectorsTest, AnArraysWordsMayHoldSpaces) {
  const std::vector<std::string> words = {" ", "New York"};
  const std::vector<float> values = {1, 2};
  save_word_vectors(directory_ / "v.npy", words, {values.data(), 2, 1});
  EXPECT_EQ(load_word_vectors(directory_ / "v.npy").words, words);
}

TEST_F(WordVectorsTest, WrongFilesAreRefusedInOneLine) {
  constexpr const char* kNoWord =
      "not a file of word vectors: expected \"WORDS DIM\", two numbers above 0, or a word and its "
      "numbers in the first line";
  for (const std::string bytes : {"", "\n", "2\n", "the\nof\n", "a b\n"}) {
    EXPECT_EQ(refusal(bytes), kNoWord) << bytes;
  }
  EXPECT_EQ(refusal(std::string(1000, '\0')), kNoWord);
  EXPECT_EQ(refusal("0 2\n"), "the first line says 0 words of 2 numbers");
  EXPECT_EQ(refusal("2 0\n"), "the first line says 2 words of 0 numbers");
  EXPECT_EQ(refusal("1000000000000 3\na 1 2\n"), "line 2: 2 numbers, expected 3");
  for (const char* name : {"v.txt", "v.bin"}) {
    EXPECT_EQ(refusal("1 18446744073709551615\na 1 2\n", name),
              "the first line says 18446744073709551615 numbers a word, more than the file has "
              "bytes");
  }
  EXPECT_EQ(refusal("2 3\na 1 2 3\nb 3 4\n"), "line 3: 2 numbers, expected 3");
  EXPECT_EQ(refusal("2 2\na 1 2\nb 3 4 5\n"), "line 3: more than 2 numbers");
  EXPECT_EQ(refusal("2 2\na 1 2\nb 3 e\n"), "line 3: number 2 of 2 is none: e");
  EXPECT_EQ(refusal("2 2\na 1 2\nb 3 nan\n"), "line 3: number 2 is nan, expected a finite float");
  EXPECT_EQ(refusal("2 2\na 1 2\nb 3 1e39\n"), "line 3: number 2 is 1e39, expected a finite float");
  EXPECT_EQ(refusal("2 2\na 1 2\n\n\nb 3 4\n"), "line 3: 0 numbers, expected 2");
  EXPECT_EQ(refusal("a 1 2\nb 3 4\nc 5\n"), "line 3: 1 numbers, expected 2");
  EXPECT_EQ(refusal("1 3\na 1 2 3\nb 3 4\n"), "line 3: 2 numbers, expected 3");
  EXPECT_EQ(refusal("2 2\na " + binary({0.1F, 2}) + "\nb " + binary({3}), "v.bin"),
            "cut short in word 2 of 2");
  EXPECT_EQ(refusal("1 2\na " + binary({0.1F, 2}) + "\nb " + binary({3}), "v.bin"),
            "cut short in word 2 of 1");
  EXPECT_THAT(refusal("2 2\na " + binary({0.1F, 2}) + "\nb " + binary({3}), "v"),
              HasSubstr("nor in binary (cut short in word 2 of 2)"));
  EXPECT_THAT(message_of<IoError>([&] { load_word_vectors(directory_ / "none.txt"); }),
              EndsWith("cannot open: No such file or directory"));
}

TEST_F(WordVectorsTest, TheWordsBesideAnArrayMustBeAsMany) {
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<std::string> words = {"a", "b"};
  save_word_vectors(directory_ / "v.npy", words, {values.data(), 2, 2});
  write_file(directory_ / "v.words.txt", "a\nb\nc\n");
  EXPECT_THAT(message_of<DataError>([&] { load_word_vectors(directory_ / "v.npy"); }),
              HasSubstr("v.words.txt: 3 words, "));
  std::filesystem::remove(directory_ / "v.words.txt");
  EXPECT_THAT(message_of<IoError>([&] { load_word_vectors(directory_ / "v.npy"); }),
              HasSubstr("v.words.txt: cannot open"));
}

TEST_F(WordVectorsTest, WhatCannotBeWrittenLeavesTheOldFile) {
  const std::vector<float> values = {1, 2};
  const auto save = [&](const std::string& name, const std::string& word) {
    const std::vector<std::string> words = {word};
    save_word_vectors(directory_ / name, words, {values.data(), 1, 2});
  };
  EXPECT_THAT(message_of<InvalidArgument>([&] { save("v.doc", "a"); }),
              HasSubstr("expected an extension of .txt, .vec, .bin or .npy, got "));
  write_file(directory_ / "v.txt", "old");
  for (const std::string& word :
       {std::string(), std::string("a b"), std::string("a\n"), std::string(1, '\0')}) {
    EXPECT_EQ(message_of<InvalidArgument>([&] { save("v.txt", word); }),
              "words: word 0: empty, or contains a space or line ending");
    EXPECT_EQ(read_file(directory_ / "v.txt"), "old");
  }
}

}  // namespace
}  // namespace partita
