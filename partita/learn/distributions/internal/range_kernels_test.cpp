// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/range_kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace partita::distributions::kernels {
namespace {

template <class T>
class RangeKernelsTest : public ::testing::Test {
 public:
  static constexpr T kLeast = std::numeric_limits<T>::denorm_min();
  static constexpr T kInf = std::numeric_limits<T>::infinity();
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  const RangeKernels<T>& kernels = range_kernels<T>();
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RangeKernelsTest, Types, );

// One number outside, at every place of arrays of every length up to several vectors.
TYPED_TEST(RangeKernelsTest, FindOneNumberAnywhere) {
  using T = TypeParam;
  for (std::size_t n = 0; n <= 150; ++n) {
    std::vector<T> x(n, T{1});
    ASSERT_TRUE(this->kernels.all_within(x.data(), n, 0, 1));
    ASSERT_TRUE(this->kernels.all_whole_within(x.data(), n, 0, 1));
    ASSERT_TRUE(this->kernels.all_positive(x.data(), n));
    for (std::size_t i = 0; i < n; ++i) {
      for (const T wrong : {T{-1}, -this->kLeast, std::nextafter(T{1}, T{2}), this->kNan}) {
        x[i] = wrong;
        ASSERT_FALSE(this->kernels.all_within(x.data(), n, 0, 1)) << n << ' ' << i << ' ' << wrong;
        ASSERT_FALSE(this->kernels.all_whole_within(x.data(), n, 0, 1))
            << n << ' ' << i << ' ' << wrong;
      }
      for (const T wrong : {T{0}, -T{0}, -this->kLeast, -this->kInf, this->kNan}) {
        x[i] = wrong;
        ASSERT_FALSE(this->kernels.all_positive(x.data(), n)) << n << ' ' << i << ' ' << wrong;
      }
      x[i] = T{0.5};
      ASSERT_TRUE(this->kernels.all_within(x.data(), n, 0, 1));
      ASSERT_FALSE(this->kernels.all_whole_within(x.data(), n, 0, 1));
      x[i] = this->kLeast;
      ASSERT_TRUE(this->kernels.all_positive(x.data(), n));
      x[i] = 1;
    }
  }
}

TYPED_TEST(RangeKernelsTest, FindOneNumberInLaterBlocks) {
  using T = TypeParam;
  std::vector<T> x(20000, T{3});
  for (const std::size_t i : {0UL, 4095UL, 4096UL, 8191UL, 12345UL, 19999UL}) {
    x[i] = T{3.5};
    EXPECT_FALSE(this->kernels.all_whole_within(x.data(), x.size(), 0, this->kInf)) << i;
    EXPECT_FALSE(this->kernels.all_within(x.data(), x.size(), 0, 3)) << i;
    EXPECT_TRUE(this->kernels.all_within(x.data(), x.size(), 0, T{3.5})) << i;
    x[i] = 3;
  }
  EXPECT_TRUE(this->kernels.all_whole_within(x.data(), x.size(), 3, 3));
}

TYPED_TEST(RangeKernelsTest, LargeNumbersAreWholeAndInfinityIsWithinItself) {
  using T = TypeParam;
  const T digits = 1 / std::numeric_limits<T>::epsilon();
  const std::vector<T> x = {0, digits, 2 * digits + 2, std::numeric_limits<T>::max(), this->kInf};
  EXPECT_TRUE(this->kernels.all_whole_within(x.data(), x.size(), 0, this->kInf));
  const T half = digits / 2 + T{0.5};
  EXPECT_FALSE(this->kernels.all_whole_within(&half, 1, 0, this->kInf));
}

TYPED_TEST(RangeKernelsTest, RowsOnTheSimplex) {
  using T = TypeParam;
  const T tolerance = T{1} / 8192;
  for (std::size_t k = 1; k <= 70; ++k) {
    std::vector<T> x(3 * k, 1 / static_cast<T>(k));
    ASSERT_TRUE(this->kernels.all_on_simplex(x.data(), 3, k, tolerance)) << k;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const T own = x[i];
      for (const T wrong : {own + 3 * tolerance, own - 3 * tolerance, this->kNan, this->kInf}) {
        x[i] = wrong;
        ASSERT_FALSE(this->kernels.all_on_simplex(x.data(), 3, k, tolerance)) << k << ' ' << i;
      }
      x[i] = own + tolerance / 3;
      ASSERT_TRUE(this->kernels.all_on_simplex(x.data(), 3, k, tolerance)) << k << ' ' << i;
      x[i] = own;
      if (k == 1) continue;
      const std::size_t other = i % k == 0 ? i + 1 : i - 1;  // the sum stays 1
      x[i] = T{-0.25};
      x[other] += own + T{0.25};
      ASSERT_FALSE(this->kernels.all_on_simplex(x.data(), 3, k, tolerance)) << k << ' ' << i;
      x[i] = own;
      x[other] = own;
    }
  }
}

TYPED_TEST(RangeKernelsTest, FallingLineRepeatsItsRow) {
  using T = TypeParam;
  for (const std::size_t row : {1UL, 3UL, 16UL, 37UL, 64UL}) {
    std::vector<T> offset(row);
    std::vector<T> slope(row);
    for (std::size_t j = 0; j < row; ++j) {
      offset[j] = static_cast<T>(j) / 8;
      slope[j] = 1 + static_cast<T>(j) / 4;
    }
    std::vector<T> x(2 * row + row / 2);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 5) / 2;
    x.back() = -this->kLeast;
    x.front() = this->kNan;
    std::vector<T> out(x.size());
    this->kernels.falling_line(offset.data(), slope.data(), row, x.data(), x.size(), out.data());
    EXPECT_TRUE(std::isnan(out.front()));
    EXPECT_EQ(out.back(), -this->kInf);
    for (std::size_t i = 1; i + 1 < x.size(); ++i) {  // these products are exact
      EXPECT_EQ(out[i], offset[i % row] - slope[i % row] * x[i]) << row << ' ' << i;
    }
  }
}

}  // namespace
}  // namespace partita::distributions::kernels
