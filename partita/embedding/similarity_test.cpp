// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/similarity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using testing::message_of;
using testing::TemporaryDirectory;

WordVectors plane() {
  return {{"east", "north", "northeast", "west", "far-east", "zero"},
          2,
          {1, 0, 0, 2, 3, 3, -1, 0, 100, 1, 0, 0},
          {}};
}

TEST(Spearman, IsThatOfRanks) {
  const std::vector<double> a = {1, 2, 3, 4, 5};
  EXPECT_DOUBLE_EQ(spearman(a, std::vector<double>{10, 20, 30, 40, 1000}), 1);
  EXPECT_DOUBLE_EQ(spearman(a, std::vector<double>{5, 4, 3, 2, 1}), -1);
  // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 1, -1, 0, 1, -1
  EXPECT_DOUBLE_EQ(spearman(a, std::vector<double>{2, 1, 3, 5, 4}), 1 - 6.0 * 4 / 120);
  // Ties share 1.5 and 3.5: scipy.stats.spearmanr gives 0.9486832980505138.
  EXPECT_NEAR(spearman(a, std::vector<double>{1, 1, 2, 2, 3}), 0.9486832980505138, 1e-14);
  EXPECT_TRUE(std::isnan(spearman(a, std::vector<double>(5, 1.0))));
  EXPECT_TRUE(std::isnan(spearman({}, {})));
  EXPECT_EQ(message_of<InvalidArgument>([&] { spearman(a, {}); }),
            "b: expected 5 (as many as a), got 0");
}

TEST(WordSimilarity, NearestIsByCosine) {
  const WordSimilarity words(plane());
  const std::vector<Neighbor> found = words.nearest("EAST", 3);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].word, "far-east");
  EXPECT_EQ(found[1].word, "northeast");
  EXPECT_NEAR(found[1].cosine, std::sqrt(0.5), 1e-6);
  EXPECT_EQ(words.nearest("east", 100).size(), 5U);
  EXPECT_EQ(words.nearest("east", 100).back().word, "west");
  EXPECT_EQ(message_of<InvalidArgument>([&] { words.nearest("south", 3); }),
            "word: south has no vector");
}

TEST(WordSimilarity, AQueryMayAddAndSubtract) {
  const WordSimilarity words({{"man", "king", "woman", "queen", "a - b", "b"},
                              3,
                              {1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, -1, -1, -1, 0, -1, 0},
                              {}});
  const auto found = words.nearest("king - man + woman", 10);
  EXPECT_EQ(found[0].word, "queen");
  EXPECT_EQ(found.size(), 3U);
  // (√½ - 1, √½, 1) and (0, √½, √½)
  const double h = std::sqrt(0.5);
  const double length = std::sqrt((h - 1) * (h - 1) + h * h + 1);
  EXPECT_NEAR(found[0].cosine, (h * h + h) / length, 1e-6);
  EXPECT_EQ(words.nearest("a - b", 10).size(), 5U);  // a word
  EXPECT_EQ(message_of<InvalidArgument>([&] { words.nearest("king + boy", 1); }),
            "word: boy has no vector");
  EXPECT_EQ(message_of<InvalidArgument>([&] { words.nearest("king - king", 1); }),
            "word: the vector is zero: it has no direction");
}

// Norms under 3e-39, whose inverses are no floats, gave NaN, which sorted first.
TEST(WordSimilarity, LengthsMayBeAnyFloats) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const float huge = std::numeric_limits<float>::max();
  const WordSimilarity words(
      {{"tiny", "huge", "one", "other"}, 2, {tiny, 0, huge, huge, 1, 0, 0, -1}, {}});
  const auto found = words.nearest("one", 3);
  EXPECT_EQ(found[0].word, "tiny");
  EXPECT_EQ(found[0].cosine, 1);
  EXPECT_NEAR(found[1].cosine, std::sqrt(0.5), 1e-6);
  EXPECT_EQ(found[2].cosine, 0);
  EXPECT_EQ(words.nearest("tiny", 1)[0].word, "one");
}

TEST(WordSimilarity, AgreementWithPeople) {
  const TemporaryDirectory directory;
  const WordSimilarity words(plane());
  write_file(directory / "s",
             "word 1,word 2,score\n# comment\nEast,far-east,9\neast\tnortheast\t7\n"
             "east north 5\neast west 0.5\neast south 3\n");
  const SimilarityScore score = words.similarity(directory / "s");
  EXPECT_EQ(score.lines, 5U);
  EXPECT_EQ(score.pairs, 4U);
  EXPECT_DOUBLE_EQ(score.correlation, 1);
  write_file(directory / "s", "a b 1\na b\n");
  EXPECT_EQ(message_of<DataError>([&] { words.similarity(directory / "s"); }),
            (directory / "s") + ": line 2: expected two words and a score");
  write_file(directory / "s", "nothing here\n");
  EXPECT_EQ(message_of<DataError>([&] { words.similarity(directory / "s"); }),
            (directory / "s") + ": no line of two words and a score");
}

TEST(WordSimilarity, Analogies) {
  const TemporaryDirectory directory;
  const WordSimilarity words(
      {{"man", "king", "woman", "queen", "apple", "uncle", "aunt"},
       3,
       {1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, -1, 0.1F, -1, 1, -1, 0, 0, -1, 1},
       {}});
  write_file(directory / "a",
             ": royal\nMan King Woman Queen\nman king woman apple\nman king girl queen\n"
             ": family\nman uncle woman aunt\n");
  for (const int threads : {1, 3}) {
    const auto scores = words.analogies(directory / "a", threads);
    ASSERT_EQ(scores.size(), 2U);
    EXPECT_EQ(scores[0].section, "royal");
    EXPECT_EQ(scores[0].correct, 1U);
    EXPECT_EQ(scores[0].questions, 2U);
    EXPECT_EQ(scores[0].lines, 3U);
    EXPECT_EQ(scores[1].section, "family");
    EXPECT_EQ(scores[1].correct, 1U);
  }
  write_file(directory / "a", ": x\na b c\n");
  EXPECT_EQ(message_of<DataError>([&] { words.analogies(directory / "a"); }),
            (directory / "a") + ": line 2: expected four words, got 3");
}

}  // namespace
}  // namespace partita
