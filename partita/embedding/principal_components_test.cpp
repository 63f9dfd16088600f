// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/principal_components.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/fill.hpp"

namespace partita {
namespace {

using testing::message_of;

TEST(PrincipalComponents, FindTheDirectionsOfLargestVariance) {
  constexpr std::size_t kRows = 500;
  std::vector<float> normal(kRows * 4);
  fill_normal({1, 1}, 0, normal);
  std::vector<float> rows(kRows * 4);
  for (std::size_t i = 0; i < kRows; ++i) {
    const float* const z = &normal[4 * i];
    rows[4 * i] = 7 + 0.1F * z[0];
    rows[4 * i + 1] = 2 * z[1];
    rows[4 * i + 2] = 10 * z[2];
    rows[4 * i + 3] = 0.1F * z[3];
  }
  const auto places = principal_components({rows.data(), kRows, 4});
  double worst = 0;
  for (std::size_t i = 1; i < kRows; ++i) {
    worst = std::max(worst, std::abs(places[i].x - places[0].x - (rows[4 * i + 2] - rows[2])));
    const double dy = std::abs(places[i].y - places[0].y);
    worst = std::max(worst, std::abs(dy - std::abs(rows[4 * i + 1] - rows[1])));
  }
  EXPECT_LT(worst, 2.5);  // directions of a sample: tilted by a few hundredths
}

TEST(PrincipalComponents, OfOnePointAreOneAndOfOneRowNone) {
  const std::vector<float> rows(12, 1.0F);
  for (const Place& place : principal_components({rows.data(), 6, 2})) {
    EXPECT_NEAR(place.x, 0, 1e-12);
    EXPECT_NEAR(place.y, 0, 1e-12);
  }
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                principal_components({rows.data(), 1, 12});
              }),
              ::testing::StartsWith("rows: expected 2 or more"));
}

}  // namespace
}  // namespace partita
