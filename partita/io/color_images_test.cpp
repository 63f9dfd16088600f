// SPDX-License-Identifier: Apache-2.0
#include "partita/io/color_images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "array_bytes.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::message_of;
using testing::npy;
using ::testing::StartsWith;
using testing::TemporaryDirectory;
using testing::zip;

constexpr std::size_t kPlane = std::size_t{32} * 32;

/// An image of one red, green and blue.
std::string image(char red, char green, char blue) {
  return std::string(kPlane, red) + std::string(kPlane, green) + std::string(kPlane, blue);
}

TEST(Cifar, HasAClassAndThreePlanesARecord) {
  const LabeledImages images =
      parse_cifar("a", "\3" + image(1, 2, 3) + "\t" + image(4, 5, '\xff'), 1);
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images.rows, 32U);
  EXPECT_EQ(images.columns, 32U);
  EXPECT_EQ(images.channels, 3U);
  EXPECT_THAT(images.labels, ElementsAre(3, 9));
  const auto second = images.image(1);
  ASSERT_EQ(second.size(), 3 * kPlane);
  EXPECT_EQ(second[0], 4);
  EXPECT_EQ(second[kPlane], 5);
  EXPECT_EQ(second[3 * kPlane - 1], 255);
}

TEST(Cifar, ReadsTheFilesOfADirectory) {
  const TemporaryDirectory ten;
  for (char batch = 1; batch <= 5; ++batch) {
    write_file(ten / ("data_batch_" + std::to_string(batch) + ".bin"),
               std::string(1, batch) + image(batch, 0, 0));
  }
  EXPECT_TRUE(has_color_images(ten.path(), "train"));
  EXPECT_FALSE(has_color_images(ten.path(), "test"));
  const LabeledImages train = load_color_images(ten.path(), "train");
  EXPECT_THAT(train.labels, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(train.image(4)[0], 5);
  write_file(ten / "test_batch.bin", "\7" + image(8, 0, 0));
  EXPECT_THAT(load_color_images(ten.path(), "test").labels, ElementsAre(7));

  const TemporaryDirectory hundred;  // the coarse class first
  write_file(hundred / "test.bin", "\2\x63" + image(1, 2, 3));
  const LabeledImages fine = load_color_images(hundred.path(), "test");
  EXPECT_THAT(fine.labels, ElementsAre(99));
  EXPECT_EQ(fine.image(0)[kPlane], 2);
}

TEST(ColorImages, OfArraysHaveTheirChannelsLast) {
  const TemporaryDirectory dir;
  // Two images of 1 x 2 pixels.
  const std::string pixels = "\1\2\3\4\5\6\x0b\x0c\x0d\x0e\x0f\x10";
  write_file(dir / "train.npz", zip({{"images.npy", npy("|u1", "(2, 1, 2, 3)", pixels)},
                                     {"labels.npy", npy("|u1", "(2,)", "\1\xc8")}}));
  const LabeledImages images = load_color_images(dir.path(), "train");
  EXPECT_EQ(images.rows, 1U);
  EXPECT_EQ(images.columns, 2U);
  EXPECT_EQ(images.channels, 3U);
  EXPECT_THAT(images.labels, ElementsAre(1, 200));
  EXPECT_THAT(images.image(0), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(images.image(1), ElementsAre(11, 14, 12, 15, 13, 16));
}

TEST(ColorImages, SayWhatIsWrong) {
  const auto refusal = [](const std::string& bytes) {
    return message_of<DataError>([&] { parse_cifar("a", bytes, 1); });
  };
  EXPECT_EQ(refusal(""), "a: the file is empty, expected records of CIFAR");
  EXPECT_THAT(refusal("\1" + image(1, 2, 3) + "\1"),
              StartsWith("a: 3074 bytes, expected a multiple of 3073 "));
  const TemporaryDirectory dir;
  EXPECT_EQ(message_of<IoError>([&] { load_color_images(dir.path(), "train"); }),
            dir.path().string() + ": has no data_batch_1.bin, train.bin or train.npz");
  write_file(dir / "data_batch_1.bin", "\1" + image(1, 2, 3));
  EXPECT_THAT(message_of<IoError>([&] { load_color_images(dir.path(), "train"); }),
              StartsWith(dir / "data_batch_2.bin"));
  const auto npz = [&](const std::string& images, const std::string& labels) {
    write_file(dir / "test.npz", zip({{"images.npy", images}, {"labels.npy", labels}}));
    return message_of<DataError>([&] { load_color_images(dir.path(), "test"); });
  };
  const std::string two = npy("|u1", "(2, 1, 1, 3)", "\1\2\3\4\5\6");
  EXPECT_EQ(npz(npy("|u1", "(2, 3)", "\1\2\3\4\5\6"), npy("|u1", "(2,)", "\1\2")),
            dir / "test.npz:images: expected unsigned bytes of shape [N, rows, columns, 3]");
  EXPECT_EQ(npz(two, npy("|u1", "(3,)", "\1\2\3")), dir / "test.npz: 3 labels, expected 2");
  EXPECT_EQ(npz(two, npy("<i2", "(2,)", std::string("\1\0\0\1", 4))),
            dir / "test.npz: label 256, expected 0..255");
}

}  // namespace
}  // namespace partita
