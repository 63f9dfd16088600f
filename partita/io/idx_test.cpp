// SPDX-License-Identifier: Apache-2.0
#include "partita/io/idx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::message_of;
using testing::TemporaryDirectory;

/// The first bytes of an IDX file.
std::string header(std::initializer_list<unsigned> dimensions, char type = 8) {
  std::string out{'\0', '\0', type, static_cast<char>(dimensions.size())};
  for (const unsigned n : dimensions) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(n >> shift);
  }
  return out;
}

std::string refusal(const std::string& bytes) {
  return message_of<DataError>([&] { parse_idx("a", bytes); });
}

void write_gzip(const std::string& path, const std::string& bytes) {
  gzFile file = ::gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  ASSERT_EQ(::gzclose(file), Z_OK);
}

TEST(Idx, ReadsTheFormat) {
  const IdxArray array = parse_idx("a", header({2, 1, 3}) + "abc\xff" + std::string("\0z", 2));
  EXPECT_THAT(array.shape, ElementsAre(2, 1, 3));
  EXPECT_THAT(array.bytes, ElementsAre('a', 'b', 'c', 255, 0, 'z'));
  // Big-endian: 258 = 1 * 256 + 2.
  EXPECT_EQ(parse_idx("a", header({258}) + std::string(258, 'x')).shape[0], 258U);
}

TEST(Idx, WritesWhatItReads) {
  const TemporaryDirectory dir;
  const IdxArray array{{1, 300, 2}, std::vector<std::uint8_t>(600, 7)};
  save_idx(dir / "a", array);
  EXPECT_EQ(read_file(dir / "a"), header({1, 300, 2}) + std::string(600, '\7'));
  EXPECT_EQ(load_idx(dir / "a").bytes, array.bytes);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              save_idx(dir / "a", {{2, 3}, {1}});
            }),
            "bytes: 1 bytes for shape (2, 3)");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              save_idx(dir / "a", {{}, {1}});
            }),
            "shape: expected 1..8 (dimensions), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              save_idx(dir / "a", {{3, 0}, {}});
            }),
            "shape: expected 1..4294967295, got 0");
}

TEST(Idx, EveryPrefixIsRefused) {
  const std::string whole = header({2, 3}) + "abcdef";
  EXPECT_EQ(refusal(""), "a: the file is empty, expected an IDX array");
  EXPECT_EQ(refusal(whole.substr(0, 3)),
            "a: cut short: the header ends at byte 3, expected 4 bytes");
  EXPECT_EQ(refusal(whole.substr(0, 11)),
            "a: cut short: the header ends at byte 11, expected 12 bytes");
  for (std::size_t n = 12; n < whole.size(); ++n) {
    EXPECT_EQ(refusal(whole.substr(0, n)), "a: cut short: the data end at byte " +
                                               std::to_string(n) + ": " + std::to_string(n - 12) +
                                               " of them, expected 6 for shape (2, 3)");
  }
}

TEST(Idx, EachReasonIsItsOwn) {
  EXPECT_EQ(refusal("P5 28 28"), "a: not an IDX file (bytes 0 and 1 are not zero)");
  EXPECT_EQ(refusal(header({2}, 0x0D) + "abcd"),
            "a: element type 0x0d at byte 2 (float32), expected 0x08, unsigned bytes");
  EXPECT_EQ(refusal(header({2}, 0x05) + "abcd"),
            "a: element type 0x05 at byte 2 (none of the format's types), expected 0x08, unsigned "
            "bytes");
  EXPECT_EQ(refusal(header({})), "a: 0 dimensions at byte 3, expected 1..8");
  EXPECT_EQ(refusal(header({3, 0, 2})), "a: dimension 1 is 0 at byte 8");
  EXPECT_EQ(refusal(header({2, 3}) + "abcdefgh"),
            "a: 2 bytes too many from byte 18 on: 8 of data, expected 6 for shape (2, 3)");
  const unsigned most = 0xFFFFFFFF;
  EXPECT_EQ(refusal(header({most, most, most, most}) + "abc"),
            "a: cut short: the data end at byte 23: 3 of them, expected far more for shape "
            "(4294967295, 4294967295, 4294967295, 4294967295)");
}

TEST(Idx, ImagesWithTheirLabels) {
  const TemporaryDirectory dir;
  write_gzip(dir / "train-images-idx3-ubyte.gz", header({3, 2, 2}) + "abcdefghijkl");
  write_file(dir / "train-labels-idx1-ubyte", header({3}) + "\1\2\3");
  const LabeledImages images = load_labeled_images(dir.path(), "train");
  EXPECT_EQ(images.size(), 3U);
  EXPECT_EQ(images.rows, 2U);
  EXPECT_EQ(images.columns, 2U);
  EXPECT_THAT(images.image(1), ElementsAre('e', 'f', 'g', 'h'));
  EXPECT_THAT(images.labels, ElementsAre(1, 2, 3));
  EXPECT_TRUE(has_labeled_images(dir.path(), "train"));
  EXPECT_FALSE(has_labeled_images(dir.path(), "t10k"));
  // With a dot, as some copies have it.
  std::filesystem::rename(dir / "train-labels-idx1-ubyte", dir / "train-labels.idx1-ubyte");
  EXPECT_EQ(load_labeled_images(dir.path(), "train").labels, images.labels);
}

TEST(Idx, ImagesWithoutTheirLabels) {
  const TemporaryDirectory dir;
  const std::string name = dir.path().string();
  const auto io_refusal = [&] {
    return message_of<IoError>([&] { load_labeled_images(dir.path(), "train"); });
  };
  const auto data_refusal = [&] {
    return message_of<DataError>([&] { load_labeled_images(dir.path(), "train"); });
  };
  EXPECT_EQ(io_refusal(), name + ": has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz");
  write_file(dir / "train-images-idx3-ubyte", header({3, 2, 2}) + "abcdefghijkl");
  EXPECT_EQ(io_refusal(), name + ": has no train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz");
  write_file(dir / "train-labels-idx1-ubyte", header({2}) + "\1\2");
  EXPECT_EQ(data_refusal(), name +
                                "/train-labels-idx1-ubyte: 2 labels at byte 4, expected 3, one "
                                "for each image of " +
                                name + "/train-images-idx3-ubyte");
  write_file(dir / "train-images-idx3-ubyte", header({6, 2}) + "abcdefghijkl");
  EXPECT_EQ(data_refusal(), name +
                                "/train-images-idx3-ubyte: 2 dimensions at byte 3, expected 3 "
                                "(images, rows, columns)");
  write_gzip(dir / "train-images-idx3-ubyte.gz", header({3, 2, 2}) + "abcdefghijkl");
  const std::string bytes = read_file(dir / "train-images-idx3-ubyte.gz");
  std::filesystem::remove(dir / "train-images-idx3-ubyte");
  write_file(dir / "train-images-idx3-ubyte.gz", bytes.substr(0, 20));
  EXPECT_EQ(data_refusal(),
            name + "/train-images-idx3-ubyte.gz: cut short: the gzip data end at byte 20");
}

}  // namespace
}  // namespace partita
