// SPDX-License-Identifier: Apache-2.0
#include "apps/data/rendered.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {
namespace {

using partita::testing::message_of;

constexpr double kFalseAlarm = 1e-7;

double brightness(std::span<const std::uint8_t> image) {
  return std::accumulate(image.begin(), image.end(), 0.0) / 255;
}

TEST(Rendered, EachImageIsAFunctionOfStreamAndPlace) {
  const LabeledImages many = render_characters(kDigits, 50, {.seed = 1});
  const LabeledImages few = render_characters(kDigits, 20, {.seed = 1});
  EXPECT_TRUE(std::equal(few.pixels.begin(), few.pixels.end(), many.pixels.begin()));
  EXPECT_TRUE(std::equal(few.labels.begin(), few.labels.end(), many.labels.begin()));
  EXPECT_NE(render_characters(kDigits, 20, {.seed = 2}).pixels, few.pixels);
  EXPECT_NE(render_characters(kDigits, 20, {.seed = 1, .id = 1}).pixels, few.pixels);
}

TEST(Rendered, EveryCharacterIsAsLikely) {
  const LabeledImages images = render_characters(kDigits, 5000, {.seed = 3});
  EXPECT_EQ(images.rows, 28U);
  EXPECT_EQ(images.columns, 28U);
  EXPECT_EQ(images.pixels.size(), 5000U * 28 * 28);
  std::vector<double> counts(10);
  for (const std::uint8_t label : images.labels) ++counts.at(label);
  EXPECT_GT(chi_square_p_value(counts, std::vector<double>(10, 500)), kFalseAlarm);
}

TEST(Rendered, CharactersStandInTheMiddle) {
  const LabeledImages images = render_characters(kCapitals, 500, {.seed = 4});
  std::array<double, 28> columns{};
  std::array<double, 28> rows{};
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto image = images.image(i);
    // Ink fills a part of the box; noise alone, half of it cut off at black, is 0.02 a pixel.
    EXPECT_GT(brightness(image), 40) << i;
    EXPECT_LT(brightness(image), 400) << i;
    EXPECT_GT(*std::max_element(image.begin(), image.end()), 200) << i;
    for (std::size_t p = 0; p < image.size(); ++p) {
      rows[p / 28] += image[p];
      columns[p % 28] += image[p];
    }
  }
  for (const auto& profile : {rows, columns}) {
    const double middle = std::accumulate(profile.begin() + 9, profile.begin() + 19, 0.0) / 10;
    EXPECT_LT(std::max(profile.front(), profile.back()), middle / 4);
  }
}

TEST(Rendered, ImagesStandUpright) {
  // An L is heavy below, a T above; a small one that is moved by two pixels may not be.
  const LabeledImages images = render_characters("LT", 1000, {.seed = 5});
  std::size_t upright = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto image = images.image(i);
    const std::size_t half = image.size() / 2;
    const bool heavy_below = brightness(image.subspan(half)) > brightness(image.first(half));
    upright += heavy_below == (images.labels[i] == 0) ? 1U : 0U;
  }
  EXPECT_GT(upright, 950U);
}

TEST(Rendered, RefusesWhatCannotBeDrawn) {
  EXPECT_EQ(message_of<InvalidArgument>([] { render_characters("", 1, {}); }),
            "characters: expected 1..255, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { render_characters("a b", 1, {}); }),
            "characters: expected printable ASCII, got byte 32");
  EXPECT_EQ(render_characters("a", 0, {}).size(), 0U);
}

}  // namespace
}  // namespace partita::app
