// SPDX-License-Identifier: Apache-2.0
#include "partita/io/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

class Text : public ::testing::Test {
 protected:
  TextLines lines(std::string_view bytes, const TextOptions& options = {}) const {
    write_file(path_, bytes);
    return read_lines(path_, options);
  }
  std::string refusal(std::string_view bytes) const {
    return message_of<DataError>([&] { lines(bytes); }).substr(path_.size());
  }

  testing::TemporaryDirectory dir_;
  std::string path_ = dir_ / "words.txt";
};

TEST_F(Text, Lines) {
  const TextLines text = lines("one\ntwo words\nthree");
  EXPECT_THAT(text.lines, ElementsAre("one", "two words", "three"));
  EXPECT_THAT(text.line_number, ElementsAre(1, 2, 3));
  EXPECT_THAT(text.notes, ElementsAre());
}

TEST_F(Text, ByteOrderMarkCrlfAndBlankLinesAreAcceptedAndNoted) {
  const TextLines text = lines("\xEF\xBB\xBFone\r\n\r\n \t\r\ntwo\r\n");
  EXPECT_THAT(text.lines, ElementsAre("one", "two"));
  EXPECT_THAT(text.line_number, ElementsAre(1, 4));
  EXPECT_TRUE(text.byte_order_mark);
  EXPECT_TRUE(text.crlf);
  EXPECT_EQ(text.blank, 2U);
  EXPECT_THAT(text.notes, ElementsAre(path_ + ": byte order mark skipped",
                                      path_ + ": CRLF line endings, read as LF",
                                      path_ + ": 2 blank lines skipped"));
}

TEST_F(Text, RefusalsNameTheLine) {
  EXPECT_EQ(refusal("one\ntwo\nfour\xFF\n"), ": line 3: invalid UTF-8 at byte 5");
  EXPECT_EQ(refusal(""), ": the file is empty, expected a line or more");
  EXPECT_EQ(refusal("\n"), ": no words: 1 blank line");
  EXPECT_EQ(refusal("\xEF\xBB\xBF"), ": no words: 0 blank lines");
  EXPECT_EQ(refusal(std::string(100, '\0')), ": line 1: NUL at byte 1: not a text file");
  EXPECT_EQ(
      refusal("a\n" + std::string(10U << 20U, 'x')),
      ": line 2: 10485760 bytes long, expected 1048576 or fewer (one word or sentence a line)");
  EXPECT_THROW(read_lines(dir_ / "none"), IoError);
}

TEST_F(Text, TheLongestLineIsAnOption) {
  EXPECT_EQ(lines("four\n", {.longest_line = 4}).lines.size(), 1U);
  EXPECT_THROW(lines("fiver\n", {.longest_line = 4}), DataError);
}

TEST(Utf8, FirstAndLastOfEachLength) {
  const std::u32string ends = U"\x01\x7F\x80\x7FF\x800\xD7FF\xE000\xFFFF\x10000\x10FFFF";
  const std::string bytes = encode_utf8(ends);
  EXPECT_EQ(bytes.size(), 2 * 1U + 2 * 2U + 4 * 3U + 2 * 4U);
  EXPECT_EQ(find_invalid_utf8(bytes), std::nullopt);
  EXPECT_EQ(decode_utf8(bytes), ends);
}

TEST(Utf8, WhatIsNotUtf8) {
  for (const std::string bad : {
           "\x80",              // a continuation alone
           "\xC0\x80",          // overlong NUL
           "\xC1\xBF",          // overlong U+7F
           "\xE0\x9F\xBF",      // overlong U+7FF
           "\xF0\x8F\xBF\xBF",  // overlong U+FFFF
           "\xED\xA0\x80",      // a surrogate
           "\xF4\x90\x80\x80",  // above U+10FFFF
           "\xF5\x80\x80\x80",
           "\xFF",
           "\xC3",
           "\xE2\x82",
           "\xF0\x9F\x98",  // cut short
           "\xC3z",
           "\xE2\x82z",
           "\xF0\x9F\x98z",
       }) {
    EXPECT_EQ(find_invalid_utf8("ab" + bad + "c"), 2U) << ::testing::PrintToString(bad);
    EXPECT_THAT(message_of<InvalidArgument>([&] { decode_utf8("ab" + bad); }),
                HasSubstr("invalid UTF-8 at byte 2"));
  }
  EXPECT_THROW(encode_utf8(std::u32string(1, 0xD800)), InvalidArgument);
  EXPECT_THROW(encode_utf8(std::u32string(1, 0x110000)), InvalidArgument);
}

}  // namespace
}  // namespace partita
