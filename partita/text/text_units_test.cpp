// SPDX-License-Identifier: Apache-2.0
#include "partita/text/text_units.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "sentence_pieces_test_support.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::has_sentencepiece;
using testing::message_of;

const std::vector<std::string> kLines = {"the whale", "the old whale swims", "an old sea",
                                         "déjà vu"};

TextUnits reread(const TextUnits& units) {
  ArchiveWriter out("units", 1);
  units.write(out);
  const std::string bytes = out.bytes();
  ArchiveReader in = ArchiveReader::from_bytes("memory", bytes, "units", 1);
  TextUnits copy = TextUnits::read(in);
  in.finish();
  return copy;
}

struct EveryUnit : ::testing::TestWithParam<UnitKind> {
  void SetUp() override {
    if (GetParam() == UnitKind::sentencepiece && !has_sentencepiece()) {
      GTEST_SKIP() << "built without SentencePiece";
    }
    units = TextUnits::learn(GetParam(), kLines, {.vocabulary = 30});
  }
  TextUnits units{nullptr};
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryUnit,
                         ::testing::Values(UnitKind::character, UnitKind::word,
                                           UnitKind::sentencepiece),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(EveryUnit, DecodesWhatItEncodes) {
  EXPECT_EQ(units.kind(), GetParam());
  for (const std::string& line : kLines) {
    const Sequence tokens = units.encode(line);
    EXPECT_EQ(units.decode(tokens), line);
    for (const Token token : tokens) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, static_cast<Token>(units.size()));
      EXPECT_NE(token, units.end_token());
    }
  }
  EXPECT_TRUE(units.encode("").empty());
  EXPECT_EQ(units.decode({}), "");
}

TEST_P(EveryUnit, IsTheSameFromAFile) {
  const TextUnits copy = reread(units);
  EXPECT_EQ(copy.kind(), units.kind());
  EXPECT_EQ(copy.size(), units.size());
  for (const std::string& line : kLines) EXPECT_EQ(copy.encode(line), units.encode(line));
}

TEST_P(EveryUnit, RefusesWhatIsNoToken) {
  for (const Token token : {Token{-1}, static_cast<Token>(units.size()), units.end_token()}) {
    EXPECT_THROW(units.decode(Sequence{token}), InvalidArgument) << token;
  }
}

TEST_P(EveryUnit, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(message_of<InvalidArgument>([&] { units.encode("ab\xff"); }),
            "text: invalid UTF-8 at byte 3");
  const std::vector<std::string> bad{"fine", "not \xc3"};
  EXPECT_EQ(message_of<InvalidArgument>([&] { TextUnits::learn(GetParam(), bad); }),
            "lines: line 2: invalid UTF-8 at byte 5");
  EXPECT_EQ(message_of<InvalidArgument>([] { TextUnits::learn(GetParam(), {}); }),
            "lines: expected 1 or more, got 0");
}

TEST(TextUnits, Characters) {
  const TextUnits units = TextUnits::learn(UnitKind::character, kLines);
  EXPECT_EQ(units.size(), 18U + 1);  // " adehijlmnostuvwàé" and the end
  EXPECT_EQ(units.end_token(), 0);
  // By falling frequency; those of one frequency by code point.
  EXPECT_EQ(units.encode(" ela").front(), 1);
  EXPECT_THAT(units.encode("àé"), ElementsAre(17, 18));
  EXPECT_EQ(message_of<InvalidArgument>([&] { units.encode("Whale"); }),
            "text: the character 'W' is not in the vocabulary");
}

TEST(TextUnits, WordsByFrequency) {
  const TextUnits all = TextUnits::learn(UnitKind::word, kLines);
  EXPECT_EQ(all.size(), 8U + 2);  // <unk> and the end
  EXPECT_THAT(all.encode("the whale  old\tsubmarine"), ElementsAre(2, 3, 4, 1));
  EXPECT_EQ(all.decode(Sequence{2, 1}), "the <unk>");
  EXPECT_EQ(all.end_token(), 0);

  const TextUnits two = TextUnits::learn(UnitKind::word, kLines, {.vocabulary = 2});
  EXPECT_EQ(two.size(), 2U + 2);
  EXPECT_EQ(two.decode(two.encode("the old whale")), "the <unk> whale");
}

// Its end is the model's own.
TEST(TextUnits, OfAModelFromElsewhere) {
  if (!has_sentencepiece()) GTEST_SKIP() << "built without SentencePiece";
  const std::string path = PARTITA_GOLDEN_SENTENCEPIECE "/bpe.model";
  const TextUnits units(SentencePieces(path, read_file(path)));
  EXPECT_EQ(units.kind(), UnitKind::sentencepiece);
  EXPECT_EQ(units.size(), 28U);
  EXPECT_EQ(units.end_token(), 2);
  EXPECT_EQ(reread(units).encode("whales"), units.encode("whales"));
}

TEST(TextUnits, Names) {
  EXPECT_EQ(unit_kind("word"), UnitKind::word);
  EXPECT_EQ(message_of<InvalidArgument>([] { unit_kind("syllable"); }),
            "units: expected char, word or sentencepiece, got syllable");
}

}  // namespace
}  // namespace partita
