// SPDX-License-Identifier: Apache-2.0
#include "partita/io/gzip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "errors.hpp"
#include "gzip_bytes.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using testing::gzip_bytes;
using testing::message_of;
using ::testing::StartsWith;

std::string refusal(const std::string& bytes) {
  return message_of<DataError>([&] { gunzip("a.gz", bytes); });
}

TEST(Gzip, RoundTrip) {
  // Longer than what is inflated at a time, incompressible and all alike.
  std::string mixed(3'000'000, 'x');
  for (std::size_t i = 0; i < 1'500'000; ++i)
    mixed[i] = static_cast<char>(i * i * 2654435761U >> 13U);
  for (const std::string& bytes :
       {std::string(), std::string("hello"), mixed, std::string(1U << 20U, '\0')}) {
    const std::string compressed = gzip_bytes(bytes);
    EXPECT_TRUE(is_gzip(compressed));
    EXPECT_EQ(gunzip("a.gz", compressed), bytes);
  }
  EXPECT_FALSE(is_gzip("\x1f"));
  EXPECT_FALSE(is_gzip("hello"));
}

TEST(Gzip, SeveralMembersAreOneFile) {
  EXPECT_EQ(gunzip("a.gz", gzip_bytes("one, ") + gzip_bytes("two")), "one, two");
}

TEST(Gzip, EveryPrefixIsCutShort) {
  const std::string whole = gzip_bytes("a few words that are compressed");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(refusal(whole.substr(0, n)),
              "a.gz: cut short: the gzip data end at byte " + std::to_string(n));
  }
}

TEST(Gzip, DamageIsSeen) {
  const std::string whole = gzip_bytes("a few words that are compressed");
  std::string checksum = whole;
  checksum[whole.size() - 6] ^= 1;
  EXPECT_THAT(refusal(checksum), StartsWith("a.gz: damaged gzip at byte "));
  EXPECT_THAT(refusal(whole + "more"), StartsWith("a.gz: damaged gzip at byte "));
  EXPECT_THAT(refusal("no gzip at all"), StartsWith("a.gz: damaged gzip at byte "));
}

}  // namespace
}  // namespace partita
