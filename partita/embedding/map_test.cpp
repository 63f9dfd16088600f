#include "partita/embedding/map.hpp"

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

double distance(Place a, Place b) { return std::hypot(a.x - b.x, a.y - b.y); }

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

TEST(Tsne, KeepsClustersTogetherAndApart) {
  constexpr std::size_t kClusters = 4;
  constexpr std::size_t kEach = 25;
  constexpr std::size_t kDim = 20;
  std::vector<float> rows(kClusters * kEach * kDim);
  std::vector<float> centers(kClusters * kDim);
  fill_normal({2, 1}, 0, rows);
  fill_normal({2, 2}, 0, centers);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = 0.3F * rows[i] + centers[i / (kEach * kDim) * kDim + i % kDim];
  }
  const Rows view(rows.data(), kClusters * kEach, kDim);
  const auto places = tsne(view, {.perplexity = 10});
  for (std::size_t i = 0; i < places.size(); ++i) {
    ASSERT_TRUE(std::isfinite(places[i].x) && std::isfinite(places[i].y));
    std::size_t nearest = i == 0 ? 1 : 0;
    for (std::size_t j = 0; j < places.size(); ++j) {
      if (j != i && distance(places[i], places[j]) < distance(places[i], places[nearest]))
        nearest = j;
    }
    EXPECT_EQ(nearest / kEach, i / kEach) << i;
  }
  const auto again = tsne(view, {.perplexity = 10});
  EXPECT_EQ(again[7].x, places[7].x);  // no chance in it
}

TEST(Tsne, Refuses) {
  const std::vector<float> rows(12, 1.0F);
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                tsne({rows.data(), 6, 2}, {.perplexity = 2});
              }),
              ::testing::StartsWith("perplexity: expected above 0 and at most 1.667"));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                tsne({rows.data(), 1, 12});
              }),
              ::testing::StartsWith("rows: expected 2 or more"));
  for (const Place& place : tsne({rows.data(), 6, 2}, {.perplexity = 1})) {  // all the same point
    EXPECT_TRUE(std::isfinite(place.x));
  }
}

}  // namespace
}  // namespace partita
