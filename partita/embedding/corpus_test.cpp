// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/corpus.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::message_of;
using testing::TemporaryDirectory;

/// The words of a corpus again, "|" for a line end.
std::vector<std::string> text_of(const Corpus& corpus) {
  std::vector<WordId> ids(corpus.last() - corpus.first());
  corpus.read(corpus.first(), ids);
  std::vector<std::string> words;
  for (const WordId id : ids) {
    words.emplace_back(id == Corpus::kLineEnd ? "|" : corpus.vocabulary().word(id));
  }
  return words;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class CorpusTest : public ::testing::Test {
 protected:
  std::string file(std::string_view bytes) const {
    write_file(directory_ / "text", bytes);
    return directory_ / "text";
  }
  std::vector<std::string> words(std::string_view bytes, std::uint64_t min_count = 1) const {
    return text_of(Corpus(file(bytes), {.min_count = min_count}));
  }
  /// The DataError of such a text, without its path.
  std::string refusal(std::string_view bytes, std::uint64_t min_count = 1) const {
    const std::string path = file(bytes);
    const std::string message =
        message_of<DataError>([&] { Corpus(path, {.min_count = min_count}); });
    EXPECT_TRUE(message.starts_with(path + ": ")) << message;
    return message.substr(std::min(message.size(), path.size() + 2));
  }

  TemporaryDirectory directory_;
};

TEST_F(CorpusTest, WordsAndLineEnds) {
  EXPECT_THAT(words("a b\nc a\n"), ElementsAre("a", "b", "|", "c", "a"));
  EXPECT_THAT(words("a b\r\nc"), ElementsAre("a", "b", "|", "c"));
  EXPECT_THAT(words("\n\n a\t\tb \n \n\n c\n\n"), ElementsAre("a", "b", "|", "c"));
  EXPECT_THAT(words("\xEF\xBB\xBFword"), ElementsAre("word"));
  EXPECT_THAT(words("x"), ElementsAre("x"));
}

TEST_F(CorpusTest, WordsLeftOutLeaveNoTrace) {
  EXPECT_THAT(words("rare\na x a\nlone\nb a b y\nz", 2), ElementsAre("a", "a", "|", "b", "a", "b"));
  const Corpus corpus(file("a b a c b a"), {.min_count = 1, .max_size = 2});
  EXPECT_THAT(text_of(corpus), ElementsAre("a", "b", "a", "b", "a"));
  EXPECT_EQ(corpus.vocabulary().total(), 5U);
}

// fastText 327, gensim 388: a token that holds one of these breaks readers of the text format.
TEST_F(CorpusTest, EverySpaceOfUnicodeEndsAWord) {
  const std::vector<std::string> spaces = {" ",
                                           "\t",
                                           "\v",
                                           "\f",
                                           "\r",
                                           "\x1C",
                                           "\x1D",
                                           "\x1E",
                                           "\x1F",
                                           "\xC2\x85",
                                           "\xC2\xA0",
                                           "\xE1\x9A\x80",
                                           "\xE2\x80\x80",
                                           "\xE2\x80\x81",
                                           "\xE2\x80\x82",
                                           "\xE2\x80\x83",
                                           "\xE2\x80\x84",
                                           "\xE2\x80\x85",
                                           "\xE2\x80\x86",
                                           "\xE2\x80\x87",
                                           "\xE2\x80\x88",
                                           "\xE2\x80\x89",
                                           "\xE2\x80\x8A",
                                           "\xE2\x80\xA8",
                                           "\xE2\x80\xA9",
                                           "\xE2\x80\xAF",
                                           "\xE2\x81\x9F",
                                           "\xE3\x80\x80"};
  for (const std::string& space : spaces) {
    EXPECT_THAT(words("10" + space + "000"), ElementsAre("10", "000")) << space;
    EXPECT_THAT(words(space + "a" + space + space + "\nb" + space), ElementsAre("a", "|", "b"));
  }
  // Characters that share their first bytes with a space, and a zero-width space, which is none.
  for (const std::string word :
       {"a\xC2\xA1z", "\xE1\x9A\x81", "\xE2\x80\x8B", "\xE2\x80\x90", "\xE2\x81\xA0",
        "\xE3\x80\x81", "\xC3\xA9t\xC3\xA9", "\xF0\x9F\x90\x8B"}) {
    EXPECT_THAT(words(word + " x"), ElementsAre(word, "x"));
  }
}

// gensim 2880 cuts a line after 10,000 words, word2vec after 1,000, fastText after 1,024.
TEST_F(CorpusTest, ALineOf100MegabytesIsReadWhole) {
  std::string line;
  std::uint64_t count = 0;
  while (line.size() < 100'000'000) {
    line += fmt::format("w{} ", count % 1000);
    ++count;
  }
  const Corpus corpus(file(line));
  EXPECT_EQ(corpus.size(), count);
  EXPECT_EQ(corpus.vocabulary().total(), count);
  std::vector<WordId> last(3);
  corpus.read(count - 3, last);
  EXPECT_EQ(corpus.vocabulary().word(last[2]), fmt::format("w{}", (count - 1) % 1000));
}

// Every place of a two- and three-byte character and of a three-byte space at the end of what is
// read at once.
TEST_F(CorpusTest, NothingIsCutWhereABufferEnds) {
  for (const std::size_t buffer : {std::size_t{1} << 18U, std::size_t{1} << 19U}) {
    for (std::size_t before = buffer - 8; before <= buffer + 1; ++before) {
      const std::string filler = std::string(before - 3, 'x') + " a ";
      ASSERT_THAT(words(filler + "\xC3\xA9t\xC3\xA9 b"),
                  ElementsAre(std::string(before - 3, 'x'), "a", "\xC3\xA9t\xC3\xA9", "b"));
      ASSERT_THAT(words(filler + "b\xE2\x80\x89"
                                 "c\xE2\x80\x90"
                                 "d"),
                  ElementsAre(std::string(before - 3, 'x'), "a", "b",
                              "c\xE2\x80\x90"
                              "d"));
    }
  }
}

// gensim 567: word2vec cuts a word at 100 bytes, in the middle of a character.
TEST_F(CorpusTest, LongWordsAreWhole) {
  std::string word;
  while (word.size() < 10'000) word += "\xC3\xA9";
  EXPECT_THAT(words("a " + word + " b"), ElementsAre("a", word, "b"));
  const std::string longest(1U << 20U, 'y');
  EXPECT_THAT(words(longest + "\n"), ElementsAre(longest));
  EXPECT_EQ(
      refusal("a\n " + longest + "y z"),
      "line 2: a word of 1048577 bytes or more at byte 2: expected 1048576 or fewer: is this a "
      "text?");
  EXPECT_THAT(refusal(std::string(10'000'000, 'y')), ::testing::StartsWith("line 1: a word of "));
}

TEST_F(CorpusTest, RefusesWhatIsNoText) {
  EXPECT_EQ(refusal(""), "no words");
  EXPECT_EQ(refusal(" \n\n\t"), "no words");
  EXPECT_EQ(refusal("a b a", 3),
            "no word occurs 3 times (min-count): of 2, the most frequent occurs 2 times");
  EXPECT_EQ(refusal("good\nb\xC3\xA9 caf\xE9 x"), "line 2: invalid UTF-8 at byte 8");
  EXPECT_EQ(refusal("good\nbad\xC3"), "line 2: invalid UTF-8 at byte 4");
  EXPECT_EQ(refusal(std::string("a\nb\nc\0d", 7)), "line 3: NUL at byte 2: not a text file");
  // Far from the beginning, where the buffer has moved on many times.
  std::string text;
  while (text.size() < 3'000'000) text += "word ";
  EXPECT_EQ(refusal("x\n" + text + "\xFF"),
            fmt::format("line 2: invalid UTF-8 at byte {}", text.size() + 1));
  EXPECT_THAT(message_of<IoError>([&] { Corpus(directory_ / "none"); }),
              ::testing::EndsWith("none: cannot open: No such file or directory"));
  EXPECT_THAT(message_of<IoError>([&] { Corpus(directory_.path()); }),
              ::testing::EndsWith(": cannot read: Is a directory"));
}

TEST_F(CorpusTest, GzipAndPlainTextAreTheSame) {
  std::string text;
  for (std::int64_t i = 0; i < 200'000; ++i)
    text += fmt::format("w{}{}", i * i % 977, i % 9 == 0 ? '\n' : ' ');
  const Corpus plain(file(text));
  const std::string packed = gzip(text);
  const Corpus inflated(file(packed));
  EXPECT_EQ(inflated.checksum(), plain.checksum());
  EXPECT_EQ(text_of(inflated), text_of(plain));
  // Several members in a row are one text, as gzip has it.
  EXPECT_THAT(words(gzip("a b\n") + gzip("c\n")), ElementsAre("a", "b", "|", "c"));

  EXPECT_EQ(refusal(packed.substr(0, packed.size() / 2)), "cut short: the gzip data end early");
  std::string damaged = packed;
  for (std::size_t i = damaged.size() / 2; i < damaged.size() / 2 + 64; ++i) damaged[i] = '\x55';
  EXPECT_EQ(refusal(damaged), "damaged gzip data");
}

// fastText 522, 1207
TEST_F(CorpusTest, StandardInputIsReadOnceAndThenAtHand) {
  for (const std::string& bytes : {std::string("a b a\nc a"), gzip("a b a\nc a")}) {
    const int saved = ::dup(STDIN_FILENO);
    const int fd = ::open(file(bytes).c_str(), O_RDONLY);
    ASSERT_EQ(::dup2(fd, STDIN_FILENO), STDIN_FILENO);
    const Corpus corpus("-", {.min_count = 1});
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(fd);
    EXPECT_THAT(text_of(corpus), ElementsAre("a", "b", "a", "|", "c", "a"));
    EXPECT_THAT(text_of(corpus), ElementsAre("a", "b", "a", "|", "c", "a"));
  }
}

TEST_F(CorpusTest, AnyRangeCanBeReadAndNoneBeyondTheEnd) {
  const Corpus corpus(file("a b c\nd e"), {.min_count = 1});
  std::vector<WordId> ids(2);
  corpus.read(3, ids);
  EXPECT_THAT(ids, ElementsAre(Corpus::kLineEnd, 3U));
  EXPECT_EQ(message_of<InvalidArgument>([&] { corpus.read(5, ids); }),
            "first: expected positions 0..6, got 5..7");
}

TEST_F(CorpusTest, ChecksumTellsTextsApart) {
  const auto checksum = [&](std::string_view text) {
    return Corpus(file(text), {.min_count = 1}).checksum();
  };
  EXPECT_EQ(checksum("a b a c"), checksum("a  b\ta c\n"));
  EXPECT_NE(checksum("a b a c"), checksum("a a b c"));
  EXPECT_NE(checksum("a b a c"), checksum("a b\na c"));
}

/// Words and white space of all kinds, by chance.
std::string random_text(std::uint64_t seed, std::size_t pieces) {
  const std::vector<std::string> words = {"a", "b", "ä", "word", "\u3042", "longer-than-others"};
  const std::vector<std::string> spaces = {" ",      "\n",     "\r\n", "\t",
                                           "\u3000", "\u00a0", " \n ", "\n\n"};
  std::string text = seed % 2 == 0 ? "\xEF\xBB\xBF" : "";
  for (std::size_t i = 0; i < pieces; ++i) {
    const std::uint64_t bits = Stream{.seed = seed}.bits(i);
    text += words[bits % words.size()];
    // Now and then a text in which spaces of ASCII are rare, or there are no line ends.
    const std::uint64_t kind = bits >> 32U;
    text += spaces[seed % 5 == 1 ? 4 + kind % 40 / 39 : seed % 5 == 2 ? 0 : kind % spaces.size()];
  }
  return text;
}

TEST_F(CorpusTest, PartsOfRanksAreTheWhole) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::string path = file(random_text(seed, seed < 5 ? seed + 1 : 20 * seed));
    for (const std::uint64_t min_count : {1U, 3U}) {
      const VocabularyOptions options = {.min_count = seed < 5 ? 1 : min_count};
      const Corpus whole(path, options);
      for (const int ranks : {2, 3, 7}) {
        std::vector<std::vector<std::string>> parts(static_cast<std::size_t>(ranks));
        run_threads(ranks, [&](Group& group) {
          const Corpus corpus(path, options, {}, group);
          EXPECT_EQ(corpus.size(), whole.size());
          EXPECT_EQ(corpus.checksum(), whole.checksum());
          ASSERT_EQ(corpus.vocabulary().size(), whole.vocabulary().size());
          for (WordId id = 0; id < whole.vocabulary().size(); ++id) {
            EXPECT_EQ(corpus.vocabulary().word(id), whole.vocabulary().word(id));
            EXPECT_EQ(corpus.vocabulary().count(id), whole.vocabulary().count(id));
          }
          parts[static_cast<std::size_t>(group.rank())] = text_of(corpus);
        });
        std::vector<std::string> together;
        for (const auto& part : parts) together.insert(together.end(), part.begin(), part.end());
        EXPECT_EQ(together, text_of(whole)) << seed << " " << ranks;
        if (seed >= 10 && seed % 5 != 1) {
          for (const auto& part : parts) EXPECT_LT(part.size(), 2 * together.size() / parts.size());
        }
      }
    }
  }
}

TEST_F(CorpusTest, RanksThatCannotDivideAFileReadAllOfIt) {
  const std::string path = file(gzip("a b a\nc a\n"));
  run_threads(3, [&](Group& group) {
    const Corpus corpus(path, {.min_count = 1}, {}, group);
    EXPECT_THAT(text_of(corpus), ElementsAre("a", "b", "a", "|", "c", "a"));
  });
}

TEST_F(CorpusTest, RanksNameTheLineOfTheFile) {
  std::string text;
  for (int line = 1; line <= 1000; ++line) text += fmt::format("line {} of many\n", line);
  const std::string bad =
      "line 801 is b\xff"
      "d\n";
  text.replace(text.find("line 801 of many\n"), 17, bad);
  const std::string path = file(text);
  const auto refusal = [&](int ranks) {
    return message_of<DataError>(
        [&] { run_threads(ranks, [&](Group& group) { Corpus(path, {}, {}, group); }); });
  };
  EXPECT_EQ(refusal(1), path + ": line 801: invalid UTF-8 at byte 14");
  for (int ranks = 2; ranks < 40; ++ranks) EXPECT_EQ(refusal(ranks), refusal(1)) << ranks;
}

TEST_F(CorpusTest, ProgressEndsAtTheNumberOfWords) {
  std::string text;
  for (int i = 0; i < 600'000; ++i) text += "a b ";
  std::vector<std::uint64_t> seen;
  const Corpus corpus(file(text), {}, [&](const ProgressUpdate& at) { seen.push_back(at.done); });
  EXPECT_EQ(corpus.size(), 1'200'000U);
  ASSERT_GE(seen.size(), 4U);
  EXPECT_EQ(seen.back(), 1'200'000U);
}

}  // namespace
}  // namespace partita
