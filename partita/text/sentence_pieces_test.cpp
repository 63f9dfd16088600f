// SPDX-License-Identifier: Apache-2.0
#include "partita/text/sentence_pieces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "sentence_pieces_test_support.hpp"

namespace partita {
namespace {

using testing::has_sentencepiece;
using ::testing::HasSubstr;
using testing::message_of;

/// Sentences of a few words, so that pieces are worth learning.
std::vector<std::string> sentences() {
  const std::vector<std::string> words{"whale", "whales", "swimming", "swims", "harbour", "déjà"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 216; ++i) {
    lines.push_back(words[i % 6] + ' ' + words[i / 6 % 6] + ' ' + words[i / 36]);
  }
  return lines;
}

struct SentencePiecesTest : ::testing::Test {
  void SetUp() override {
    if (!has_sentencepiece()) GTEST_SKIP() << "built without SentencePiece";
  }
};

TEST_F(SentencePiecesTest, DecodesWhatItEncodes) {
  const SentencePieces pieces = SentencePieces::train(sentences(), 60);
  EXPECT_LE(pieces.size(), 60U);
  EXPECT_EQ(pieces.end_token(), 0);
  EXPECT_FALSE(pieces.start_token());
  EXPECT_EQ(pieces.find("<unk>"), 1);
  EXPECT_FALSE(pieces.find("no such piece"));
  for (const std::string text :
       {"whales swims harbour", "  wins  a  swim ", "", "a", "déjà whale "}) {
    const Sequence tokens = pieces.encode(text);
    EXPECT_EQ(pieces.decode(tokens), text);
    for (const Token token : tokens) {
      EXPECT_GT(token, 1);
      EXPECT_LT(token, static_cast<Token>(pieces.size()));
    }
  }
  EXPECT_LT(pieces.encode("whales swimming").size(), 8U);  // pieces, and not characters
  EXPECT_EQ(pieces.encode("q").back(), 1);                 // <unk>
}

// A model trained in Python gives the same results here as there.
TEST_F(SentencePiecesTest, ReadsPythonsModels) {
  const std::string folder = PARTITA_GOLDEN_SENTENCEPIECE "/";
  const auto golden = nlohmann::json::parse(read_file(folder + "golden.json"));
  for (const std::string kind : {"unigram", "bpe"}) {
    const std::string path = folder + kind + ".model";
    const SentencePieces pieces(path, read_file(path));
    EXPECT_EQ(pieces.start_token(), 1);
    EXPECT_EQ(pieces.end_token(), 2);
    ASSERT_EQ(golden[kind].size(), 5U);
    for (const auto& each : golden[kind]) {
      const auto tokens = each["tokens"].get<Sequence>();
      EXPECT_EQ(pieces.encode(each["text"].get<std::string>()), tokens);
      EXPECT_EQ(pieces.decode(tokens), each["decoded"].get<std::string>());
    }
  }
}

TEST_F(SentencePiecesTest, SameLinesSameModel) {
  EXPECT_EQ(SentencePieces::train(sentences(), 50).bytes(),
            SentencePieces::train(sentences(), 50).bytes());
}

TEST_F(SentencePiecesTest, NoMorePiecesThanThereAre) {
  const SentencePieces pieces = SentencePieces::train(sentences(), 8000);
  EXPECT_GT(pieces.size(), 20U);
  EXPECT_LT(pieces.size(), 8000U);
}

TEST_F(SentencePiecesTest, Refusals) {
  EXPECT_THAT(message_of<InvalidArgument>([] { SentencePieces::train(sentences(), 5); }),
              HasSubstr("vocabulary: 5: Vocabulary size is smaller than required_chars. 5 vs "));
  EXPECT_EQ(message_of<DataError>([] { SentencePieces("some.model", "nothing of the kind"); }),
            "some.model: expected a SentencePiece model");
}

}  // namespace
}  // namespace partita
