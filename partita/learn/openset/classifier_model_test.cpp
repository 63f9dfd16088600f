// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/classifier_model.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/training/module_state.hpp"
#include "temporary_directory.hpp"

namespace partita::openset {
namespace {

using partita::testing::message_of;
using partita::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr Architecture kPoints{.rows = 1, .columns = 2, .classes = 2, .width = 16};
constexpr Architecture kImages{.images = true,
                               .channels = 3,
                               .rows = 8,
                               .columns = 12,
                               .classes = 3,
                               .width = 2,
                               .reject = true};

TEST(ClassifierModel, ComesBackFromItsFile) {
  const TemporaryDirectory dir;
  ClassifierModel points{kPoints, {"left", "right"}, make_classifier(kPoints, Stream{.seed = 1})};
  ClassifierModel images{kImages, {"a", "b", "c"}, make_classifier(kImages, Stream{.seed = 2})};
  points.save(dir / "points");
  images.save(dir / "images");

  ClassifierModel back = ClassifierModel::load(dir / "points");
  EXPECT_FALSE(back.architecture.images);
  EXPECT_THAT(back.classes, ElementsAre("left", "right"));
  const Tensor x = at::rand({7, 2});
  EXPECT_TRUE(at::equal(back.logits(x), points.logits(x)));

  back = ClassifierModel::load(dir / "images");
  EXPECT_TRUE(back.architecture.images);
  EXPECT_EQ(back.architecture.columns, 12);
  EXPECT_THAT(back.classes, ElementsAre("a", "b", "c"));
  const Tensor pictures = at::rand({7, 3, 8, 12});
  EXPECT_TRUE(at::equal(back.logits(pictures), images.logits(pictures)));
}

TEST(ClassifierModel, EveryDamagedFileIsOneLine) {
  const TemporaryDirectory dir;
  ClassifierModel{kPoints, {"left", "right"}, make_classifier(kPoints, Stream{})}.save(dir / "m");
  const std::string whole = read_file(dir / "m");
  const auto refusal = [&] {
    return message_of<DataError>([&] { ClassifierModel::load(dir / "m"); });
  };
  for (std::size_t n = 0; n < whole.size(); n += n < 200 ? 17 : 9973) {
    write_file(dir / "m", whole.substr(0, n));
    EXPECT_THAT(refusal(), StartsWith(dir / "m"));
    std::string flipped = whole;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    write_file(dir / "m", flipped);
    EXPECT_THAT(refusal(), StartsWith(dir / "m"));
  }
}

TEST(ClassifierModel, SavesANameForEachClass) {
  const TemporaryDirectory dir;
  const ClassifierModel model{kPoints, {"left"}, make_classifier(kPoints, Stream{})};
  EXPECT_EQ(message_of<InvalidArgument>([&] { model.save(dir / "m"); }),
            "classes: expected 2 (names), got 1");
}

/// A file of the first version: points of one width, no reject class. Its bytes are those of the
/// second with two fields left out.
TEST(ClassifierModel, ReadsFilesOfTheFirstVersion) {
  const TemporaryDirectory dir;
  const Architecture wide{.rows = 1, .columns = 2, .classes = 2, .width = 128};
  ClassifierModel model{wide, {"left", "right"}, make_classifier(wide, Stream{.seed = 1})};
  ArchiveWriter out(ClassifierModel::kArchive, 1);
  out.u8(0);
  for (const std::uint64_t field : {1, 2, 1, 2}) out.u64(field);
  for (const std::string& name : model.classes) out.string(name);
  training::write_state(out, *model.classifier);
  out.save(dir / "first");
  const Tensor x = at::rand({7, 2});
  EXPECT_TRUE(at::equal(ClassifierModel::load(dir / "first").logits(x), model.logits(x)));
}

TEST(ClassifierModel, LogitsAreThoseOfTheNetworkInAnyNumber) {
  ClassifierModel model{kPoints, {"left", "right"}, make_classifier(kPoints, Stream{.seed = 3})};
  const Tensor x = at::rand({1201, 2});
  const Tensor logits = model.logits(x);
  EXPECT_FALSE(logits.requires_grad());
  EXPECT_TRUE(at::allclose(logits, model.classifier->forward(x).detach(), 1e-5, 1e-6));
}

}  // namespace
}  // namespace partita::openset
