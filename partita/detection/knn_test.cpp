// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/knn.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using testing::message_of;

std::vector<double> normals(std::size_t n, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> out(n);
  for (double& x : out) x = normal(random);
  return out;
}

/// Every distance, in long double, sorted.
double reference(const double* query, const std::vector<double>& training, std::size_t columns,
                 std::size_t k) {
  const auto norm = [&](const double* x) {
    long double sum = 0;
    for (std::size_t c = 0; c < columns; ++c) sum += static_cast<long double>(x[c]) * x[c];
    return std::sqrt(sum);
  };
  std::vector<long double> distances;
  for (std::size_t r = 0; r < training.size() / columns; ++r) {
    const double* t = &training[r * columns];
    long double sum = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const long double apart = query[c] / norm(query) - t[c] / norm(t);
      sum += apart * apart;
    }
    distances.push_back(std::sqrt(sum));
  }
  std::sort(distances.begin(), distances.end());
  return static_cast<double>(-distances[k - 1]);
}

TEST(Knn, EqualsASortOfEveryDistance) {
  constexpr std::size_t kColumns = 3;
  const auto training = normals(2500 * kColumns, 1);  // more than two blocks
  const auto queries = normals(40 * kColumns, 2);
  for (const std::size_t k : {1U, 7U, 1024U, 2500U}) {
    const auto scores =
        knn_scores({queries.data(), 40, kColumns}, {training.data(), 2500, kColumns}, k);
    for (std::size_t q = 0; q < 40; ++q) {
      EXPECT_NEAR(scores[q], reference(&queries[q * kColumns], training, kColumns, k), 1e-14);
    }
  }
}

TEST(Knn, OnlyTheDirectionCounts) {
  const std::vector<double> training = {1, 0, 0, 1, -1, 0};
  const std::vector<double> queries = {1e-300, 0, 1e300, 1e300, 0, -5};
  const auto nearest = knn_scores({queries.data(), 3, 2}, {training.data(), 3, 2}, 1);
  EXPECT_EQ(nearest[0], 0);
  EXPECT_NEAR(nearest[1], -std::sqrt(2 - std::sqrt(2)), 1e-15);
  EXPECT_NEAR(nearest[2], -std::sqrt(2), 1e-15);
  EXPECT_NEAR(knn_scores({queries.data(), 3, 2}, {training.data(), 3, 2}, 3)[2], -2, 1e-15);
}

TEST(Knn, SmallDistancesKeepTheirDigits) {
  const std::vector<double> training = {1, 1, 1, 1e-9};
  const std::vector<double> query = {1, 3e-9};  // its cosine with the second rounds to 1
  EXPECT_NEAR(knn_scores({query.data(), 1, 2}, {training.data(), 2, 2}, 1)[0] / -2e-9, 1, 1e-6);
}

TEST(Knn, ThreadsAndBlocksChangeNothing) {
  const auto training = normals(7500, 3);
  const auto queries = normals(3000, 4);
  const Rows t{training.data(), 1500, 5};
  const auto expected = knn_scores({queries.data(), 600, 5}, t, 4);
  EXPECT_EQ(knn_scores({queries.data(), 600, 5}, t, 4, {.threads = 3}), expected);
  for (const std::size_t q : {0U, 255U, 256U, 599U}) {
    EXPECT_NEAR(knn_scores({&queries[q * 5], 1, 5}, t, 4)[0], expected[q], 1e-15);
  }
}

TEST(Knn, NamesWhatIsBad) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> good = {1, 2, 3, 4};
  const std::vector<double> bad = {1, 2, 0, 0, nan, 1, 3, 4};
  const Rows training{good.data(), 2, 2};
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              knn_scores(training, {bad.data(), 4, 2}, 1);
            }),
            "training: row 1: all zero: it has no direction");
  std::vector<RowError> errors;
  const auto scores = knn_scores({bad.data(), 4, 2}, training, 1, {.errors = &errors});
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].row, 1U);
  EXPECT_EQ(errors[1].reason, "NaN at column 0");
  EXPECT_TRUE(std::isnan(scores[1]) && std::isnan(scores[2]));
  EXPECT_EQ(scores[3], 0);
  EXPECT_EQ(message_of<InvalidArgument>([&] { knn_scores(training, training, 3); }),
            "k: expected 1..2 (training rows), got 3");
  EXPECT_EQ(message_of<InvalidArgument>([&] { knn_scores(training, training, 0); }),
            "k: expected 1..2 (training rows), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              knn_scores({good.data(), 1, 4}, training, 1);
            }),
            "features: expected 2 (columns, as in training), got 4");
}

}  // namespace
}  // namespace partita
