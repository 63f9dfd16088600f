// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/tempered.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "partita/random/stream.hpp"
#include "targets.hpp"

namespace partita {
namespace {

struct Reference {
  long double log_sum = 0;
  long double mean = 0;
  long double variance = 0;
  long double third = 0;
  long double fourth = 0;
};

template <class T>
Reference reference(const std::vector<T>& z, T max, long double beta) {
  long double total = 0;
  long double first = 0;
  long double second = 0;
  for (const T value : z) {
    if (std::isinf(value)) continue;
    const long double d = static_cast<long double>(value) - static_cast<long double>(max);
    const long double e = std::exp(beta * d);
    total += e;
    first += e * d;
    second += e * d * d;
  }
  const long double mean = first / total;
  Reference out{std::log(total), mean, second / total - mean * mean};
  for (const T value : z) {
    if (std::isinf(value)) continue;
    const long double d = static_cast<long double>(value) - static_cast<long double>(max);
    const long double q = std::exp(beta * d) / total;
    out.third += q * std::pow(d - mean, 3.0L);
    out.fourth += q * std::pow(d - mean, 4.0L);
  }
  out.fourth -= 3 * out.variance * out.variance;
  return out;
}

/// Rows of all lengths around the edges of blocks, with impossible categories, at temperatures far
/// and near.
template <class T>
void compare(double tolerance) {
  for (const std::size_t n : {1U, 2U, 10U, 63U, 64U, 100U, 511U, 512U, 513U, 1000U, 5000U}) {
    std::vector<T> z(n);
    Draws draws({.seed = 1, .id = n});
    for (T& value : z) value = static_cast<T>(4 * draws.normal());
    if (n > 5) z[3] = -std::numeric_limits<T>::infinity();
    const T max = *std::max_element(z.begin(), z.end());
    for (const double beta : {0.01, 0.3, 1.0, 3.0, 40.0}) {
      const auto exact = reference(z, max, static_cast<long double>(static_cast<T>(beta)));
      const TemperedRow got = tempered_row<T>({z.data(), 1, n}, 0, static_cast<double>(max), beta);
      EXPECT_NEAR(got.log_sum, static_cast<double>(exact.log_sum), tolerance) << n << " " << beta;
      EXPECT_NEAR(got.mean * beta, static_cast<double>(exact.mean) * beta, 10 * tolerance);
      EXPECT_NEAR(got.variance * beta * beta, static_cast<double>(exact.variance) * beta * beta,
                  100 * tolerance);
      EXPECT_NEAR(got.third * std::pow(beta, 3),
                  static_cast<double>(exact.third) * std::pow(beta, 3), 2000 * tolerance);
      EXPECT_NEAR(got.fourth * std::pow(beta, 4),
                  static_cast<double>(exact.fourth) * std::pow(beta, 4), 40000 * tolerance);
    }
  }
}

TEST(TemperedRow, EqualsLongDouble) {
  for (const std::int64_t target : testing::targets()) {
    const testing::OnTarget on(target);
    compare<float>(1e-6);
    compare<double>(4e-15);
  }
}

TEST(TemperedRow, TheLimitOfSmallBetaIsUniform) {
  const std::vector<double> z{1, 2, -INFINITY, 6};
  const TemperedRow q = tempered_row<double>({z.data(), 1, 4}, 0, 6, 1e-200);
  EXPECT_NEAR(q.log_sum, std::log(3), 1e-15);
  EXPECT_NEAR(q.mean, 3 - 6, 1e-14);
}

TEST(TemperedRow, IsTheSameOnEveryTarget) {
  std::vector<float> z(700);
  Draws draws({.seed = 2});
  for (float& value : z) value = static_cast<float>(3 * draws.normal());
  std::vector<TemperedRow> rows;
  for (const std::int64_t target : testing::targets()) {
    if (target != HWY_AVX2 && target != HWY_AVX3) continue;
    const testing::OnTarget on(target);
    rows.push_back(tempered_row<float>({z.data(), 1, z.size()}, 0, 12, 0.7));
  }
  for (const TemperedRow& row : rows) {
    EXPECT_EQ(row.log_sum, rows[0].log_sum);
    EXPECT_EQ(row.mean, rows[0].mean);
    EXPECT_EQ(row.variance, rows[0].variance);
    EXPECT_EQ(row.fourth, rows[0].fourth);
  }
}

}  // namespace
}  // namespace partita
