#include "partita/learn/openset/classifier_model.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita::openset {
namespace {

using partita::testing::message_of;
using partita::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr Architecture kPoints{.rows = 1, .columns = 2, .classes = 2, .width = 1};
constexpr Architecture kImages{.images = true, .rows = 8, .columns = 12, .classes = 3, .width = 2};

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
  EXPECT_TRUE(at::equal(logits_of(back.classifier, x), logits_of(points.classifier, x)));

  back = ClassifierModel::load(dir / "images");
  EXPECT_TRUE(back.architecture.images);
  EXPECT_EQ(back.architecture.columns, 12);
  EXPECT_THAT(back.classes, ElementsAre("a", "b", "c"));
  const Tensor pictures = at::rand({7, 1, 8, 12});
  EXPECT_TRUE(
      at::equal(logits_of(back.classifier, pictures), logits_of(images.classifier, pictures)));
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

TEST(LogitsOf, AreThoseOfTheNetworkInAnyNumber) {
  auto classifier = make_classifier(kPoints, Stream{.seed = 3});
  const Tensor x = at::rand({1201, 2});
  const Tensor logits = logits_of(classifier, x);
  EXPECT_FALSE(logits.requires_grad());
  EXPECT_TRUE(at::allclose(logits, classifier->forward(x).detach(), 1e-5, 1e-6));
}

}  // namespace
}  // namespace partita::openset
