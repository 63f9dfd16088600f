// SPDX-License-Identifier: Apache-2.0
#include "partita/io/archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

ArchiveWriter example() {
  ArchiveWriter out("example", 2);
  out.u8(200);
  out.u32(4000000000U);
  out.u64(1ULL << 60U);
  out.f32(0.1F);
  out.f64(-0.0);
  out.string("caf\xC3\xA9");
  out.array<double>({1, 2, 3});
  out.array(std::vector<char32_t>{U'a', U'\U0001F600'});
  out.array(std::vector<std::int64_t>{});
  return out;
}

void read_example(ArchiveReader in) {
  EXPECT_EQ(in.version(), 2U);
  EXPECT_EQ(in.u8(), 200);
  EXPECT_EQ(in.u32(), 4000000000U);
  EXPECT_EQ(in.u64(), 1ULL << 60U);
  EXPECT_EQ(in.f32(), 0.1F);
  EXPECT_EQ(in.f64(), 0.0);
  EXPECT_EQ(in.string(), "caf\xC3\xA9");
  EXPECT_EQ(in.array<double>(), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(in.array<char32_t>(), (std::vector<char32_t>{U'a', U'\U0001F600'}));
  EXPECT_TRUE(in.array<std::int64_t>().empty());
  EXPECT_EQ(in.remaining(), 0U);
  in.finish();
}

std::string refusal(const std::string& bytes, std::string_view kind = "example",
                    std::uint32_t newest = 2) {
  return message_of<DataError>([&] { ArchiveReader::from_bytes("a.model", bytes, kind, newest); });
}

/// The bytes with a checksum that fits whatever was done to the rest.
std::string resealed(std::string bytes) {
  const std::size_t size = bytes.size() - 4;
  const auto crc =
      static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), size));
  std::memcpy(bytes.data() + size, &crc, 4);
  return bytes;
}

TEST(Archive, RoundTrip) {
  const testing::TemporaryDirectory dir;
  example().save(dir / "a.model");
  read_example(ArchiveReader::open(dir / "a.model", "example", 2));
  read_example(ArchiveReader::open(dir / "a.model", "example", 9));
  const std::string bytes = example().bytes();
  EXPECT_EQ(read_file(dir / "a.model"), bytes);
  read_example(ArchiveReader::from_bytes("a.model", bytes, "example", 2));
}

TEST(Archive, EveryPrefixIsRefusedAsCutShort) {
  const std::string bytes = example().bytes();
  EXPECT_EQ(refusal(""), "a.model: the file is empty");
  for (std::size_t n = 1; n < bytes.size(); ++n) {
    EXPECT_THAT(refusal(bytes.substr(0, n)), HasSubstr("cut short")) << n;
  }
}

TEST(Archive, EveryChangedBitIsRefused) {
  const std::string bytes = example().bytes();
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(refusal(changed), "") << bit;
  }
}

TEST(Archive, EachReasonIsItsOwn) {
  const std::string bytes = example().bytes();
  EXPECT_THAT(refusal(bytes + "xyz"), HasSubstr("3 bytes too many at the end"));
  EXPECT_THAT(refusal(std::string(1000, '\0')), HasSubstr("not a Partita example model"));
  EXPECT_THAT(refusal(bytes, "ngram"), HasSubstr("holds \"example\", expected \"ngram\""));
  EXPECT_THAT(refusal(bytes, "example", 1),
              HasSubstr("version 2 of example: this program reads up to version 1"));
  std::string changed = bytes;
  changed[40] = static_cast<char>(changed[40] + 1);
  EXPECT_THAT(refusal(changed), HasSubstr("damaged: checksum"));
  changed = bytes;
  changed[8] = 0;
  EXPECT_THAT(refusal(resealed(changed)), HasSubstr("version 0"));
}

// The checksum guards against accidents only: a file may be sealed well and still lie about
// lengths.
TEST(Archive, ALyingLengthAllocatesNothing) {
  ArchiveWriter out("example", 1);
  out.u64(~0ULL);
  const std::string bytes = out.bytes();
  auto in = ArchiveReader::from_bytes("a.model", bytes, "example", 1);
  EXPECT_THAT(
      message_of<DataError>([&] { in.array<double>(); }),
      HasSubstr("18446744073709551615 elements of 8 bytes at byte 39, where 0 bytes are left"));
  auto again = ArchiveReader::from_bytes("a.model", bytes, "example", 1);
  EXPECT_THAT(message_of<DataError>([&] { again.string(); }), HasSubstr("damaged"));
}

TEST(Archive, ReadingPastTheEndOrNotToTheEndIsRefused) {
  ArchiveWriter out("example", 1);
  out.u32(7);
  const std::string bytes = out.bytes();
  auto in = ArchiveReader::from_bytes("a.model", bytes, "example", 1);
  EXPECT_THAT(message_of<DataError>([&] { in.finish(); }),
              HasSubstr("4 bytes of payload were not used"));
  EXPECT_THAT(message_of<DataError>([&] { in.u64(); }), HasSubstr("damaged"));
  EXPECT_EQ(in.u32(), 7U);
  in.finish();
  EXPECT_EQ(message_of<DataError>([&] { in.damaged("order 0"); }), "a.model: damaged: order 0");
}

TEST(Archive, TheWriterChecksItsArguments) {
  EXPECT_THROW(ArchiveWriter("", 1), InvalidArgument);
  EXPECT_THROW(ArchiveWriter(std::string(65, 'k'), 1), InvalidArgument);
  EXPECT_THROW(ArchiveWriter("kind", 0), InvalidArgument);
}

TEST(Archive, KindOfAFile) {
  ArchiveWriter out("some-kind", 3);
  out.u32(5);
  const std::string bytes = out.bytes();
  EXPECT_EQ(archive_kind(bytes), "some-kind");
  EXPECT_EQ(archive_kind(std::string_view(bytes).substr(0, 15)), "");
  EXPECT_EQ(archive_kind(std::string_view(bytes).substr(1)), "");
  EXPECT_EQ(archive_kind(""), "");
}

}  // namespace
}  // namespace partita
