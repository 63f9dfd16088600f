// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/softmax.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "partita/random/stream.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Distance to the next larger magnitude in format T, around `value`.
template <class T>
long double ulp(long double value) {
  const auto magnitude = static_cast<double>(std::abs(value));
  if constexpr (std::is_same_v<T, double>) {
    return static_cast<long double>(std::nextafter(magnitude, kInfinity)) - magnitude;
  } else {
    const int digits = std::is_same_v<T, float> ? 24 : std::is_same_v<T, bfloat16> ? 8 : 11;
    const int lowest = std::is_same_v<T, float16> ? -24 : std::is_same_v<T, bfloat16> ? -133 : -149;
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    return std::ldexp(1.0L, std::max(exponent - digits, lowest));
  }
}

template <class T>
double to_double(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<float>(x);
  else
    return static_cast<double>(x);
}
template <class T>
T from_double(double x) {
  if constexpr (sizeof(T) == 2)
    return T(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

struct Reference {
  long double max;
  long double log_sum;  // log sum exp(z - max), from the terms without the largest
};

template <class T>
Reference reference(const std::vector<T>& z) {
  const auto top =
      std::max_element(z.begin(), z.end(), [](T a, T b) { return to_double(a) < to_double(b); });
  const long double max = to_double(*top);
  long double rest = 0;
  long double lost = 0;  // Kahan: a million equal terms would round the same way each time
  for (auto it = z.begin(); it != z.end(); ++it) {
    if (it == top) continue;
    const long double term = std::exp(static_cast<long double>(to_double(*it)) - max) - lost;
    const long double sum = rest + term;
    lost = (sum - rest) - term;
    rest = sum;
  }
  return {max, std::log1p(rest)};
}

/// Rows of many shapes: flat, normal, one that stands out, two values, spread over magnitudes.
template <class T>
std::vector<std::vector<T>> rows() {
  std::vector<std::vector<T>> result;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  const double big = std::is_same_v<T, float16> ? 3e4 : 1e30;
  for (const std::size_t n :
       {1UL, 2UL, 3UL, 16UL, 63UL, 64UL, 65UL, 511UL, 512UL, 513UL, 5000UL, 100'000UL}) {
    for (const double sigma : {0.0, 0.1, 1.0, 5.0, 40.0}) {
      for (const double shift : {0.0, -7.3, 250.0}) {
        std::vector<T> z(n);
        for (T& x : z) x = from_double<T>(shift + sigma * normal(random));
        result.push_back(z);
        z[n / 2] = from_double<T>(shift + 5 * sigma + 2);
        result.push_back(z);
        z[n / 3] = from_double<T>(-kInfinity);
        z[n / 2] = from_double<T>(shift + 20 * sigma + 30);
        result.push_back(z);
      }
    }
    std::vector<T> two(n, from_double<T>(1.3 - std::log(static_cast<double>(n))));
    two.back() = from_double<T>(1.3);
    result.push_back(two);
    std::vector<T> wild(n);
    for (T& x : wild) x = from_double<T>(normal(random) * big / 10);
    result.push_back(wild);
  }
  std::vector<T> million(1'000'000);
  for (T& x : million) x = from_double<T>(3 * normal(random));
  result.push_back(million);
  return result;
}

template <class T>
class SoftmaxTest : public ::testing::Test {};
using Types = ::testing::Types<float, double, bfloat16, float16>;
TYPED_TEST_SUITE(SoftmaxTest, Types);

TYPED_TEST(SoftmaxTest, IsWithinTwoUlpOfLongDouble) {
  using T = TypeParam;
  double worst_softmax = 0;
  double worst_log_softmax = 0;
  double worst_lse = 0;
  for (const auto& z : rows<T>()) {
    const auto [max, log_sum] = reference(z);
    const Rows logits(z.data(), 1, z.size());
    std::vector<T> p(z.size());
    std::vector<T> log_p(z.size());
    softmax(logits, {p.data(), 1, p.size()});
    log_softmax(logits, {log_p.data(), 1, p.size()});
    for (std::size_t i = 0; i < z.size(); ++i) {
      const long double exact = (static_cast<long double>(to_double(z[i])) - max) - log_sum;
      const long double exact_p = std::exp(exact);
      const auto error = static_cast<double>(std::abs(to_double(p[i]) - exact_p) / ulp<T>(exact_p));
      worst_softmax = std::max(worst_softmax, error);
      if (std::isinf(exact)) {
        ASSERT_EQ(to_double(log_p[i]), -kInfinity);
      } else {
        const auto e = static_cast<double>(std::abs(to_double(log_p[i]) - exact) / ulp<T>(exact));
        worst_log_softmax = std::max(worst_log_softmax, e);
      }
    }
    const double lse = log_sum_exp(logits)[0];
    const long double scale = std::max(std::abs(max), std::abs(max + log_sum));
    if (scale > 0) {
      worst_lse =
          std::max(worst_lse, static_cast<double>(std::abs(lse - (max + log_sum)) / ulp<T>(scale)));
    }
    // A4: the bounds of the log-sum-exp.
    const auto slack = static_cast<double>(2 * ulp<T>(scale));
    ASSERT_GE(lse, static_cast<double>(max) - slack);
    ASSERT_LE(lse, static_cast<double>(max) + std::log(static_cast<double>(z.size())) + slack);
  }
  EXPECT_LE(worst_softmax, 2);
  EXPECT_LE(worst_log_softmax, 2);
  EXPECT_LE(worst_lse, 2);
  this->RecordProperty("worst_softmax_ulp", std::to_string(worst_softmax));
  this->RecordProperty("worst_log_softmax_ulp", std::to_string(worst_log_softmax));
  this->RecordProperty("worst_log_sum_exp_ulp", std::to_string(worst_lse));
}

TYPED_TEST(SoftmaxTest, ArgmaxTakesTheFirstOfTies) {
  using T = TypeParam;
  std::vector<T> z(2000, from_double<T>(-1));
  EXPECT_EQ(argmax({z.data(), 1, z.size()})[0], 0);
  for (const std::size_t i : {1999UL, 1500UL, 600UL, 513UL, 512UL, 511UL, 17UL}) {
    z[i] = from_double<T>(2);
    EXPECT_EQ(argmax({z.data(), 1, z.size()})[0], i);
  }
}

TYPED_TEST(SoftmaxTest, StridesBatchesAndThreadsChangeNothing) {
  using T = TypeParam;
  constexpr std::size_t kRows = 7;
  constexpr std::size_t kColumns = 1100;
  std::mt19937_64 random(6);
  std::normal_distribution<double> normal(0, 3);
  std::vector<T> contiguous(kRows * kColumns);
  for (T& x : contiguous) x = from_double<T>(normal(random));
  // The same matrix column-major, and upside down with gaps.
  std::vector<T> transposed(kRows * kColumns);
  std::vector<T> gaps(kRows * 3 * kColumns);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      transposed[c * kRows + r] = contiguous[r * kColumns + c];
      gaps[(kRows - 1 - r) * 3 * kColumns + 2 * c] = contiguous[r * kColumns + c];
    }
  }
  const Rows plain(contiguous.data(), kRows, kColumns);
  const Rows by_column(transposed.data(), kRows, kColumns, 1, kRows);
  const Rows backward(gaps.data() + (kRows - 1) * 3 * kColumns, kRows, kColumns,
                      -3 * static_cast<std::ptrdiff_t>(kColumns), 2);
  const auto lse = log_sum_exp(plain);
  EXPECT_EQ(log_sum_exp(by_column), lse);
  EXPECT_EQ(log_sum_exp(backward), lse);
  EXPECT_EQ(log_sum_exp(plain, {.threads = 3}), lse);
  for (std::size_t r = 0; r < kRows; ++r) EXPECT_EQ(log_sum_exp(plain.slice(r, 1))[0], lse[r]);

  std::vector<T> expected(kRows * kColumns);
  softmax(plain, {expected.data(), kRows, kColumns});
  std::vector<T> out(kRows * kColumns);
  softmax(by_column, MutableRows(out.data(), kRows, kColumns, 1, kRows), {.threads = 2});
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      ASSERT_EQ(to_double(out[c * kRows + r]), to_double(expected[r * kColumns + c]));
    }
  }
  softmax(plain, {contiguous.data(), kRows, kColumns});  // in place
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(to_double(contiguous[i]), to_double(expected[i]));
  }
}

TYPED_TEST(SoftmaxTest, BadRowsFailAloneAndAreNamed) {
  using T = TypeParam;
  constexpr std::size_t kColumns = 700;
  std::vector<T> z(5 * kColumns, from_double<T>(0.5));
  z[1 * kColumns + 650] = from_double<T>(kNaN);
  z[3 * kColumns + 2] = from_double<T>(kInfinity);
  for (std::size_t c = 0; c < kColumns; ++c) z[4 * kColumns + c] = from_double<T>(-kInfinity);
  const Rows logits(z.data(), 5, kColumns);

  std::vector<RowError> errors;
  const auto lse = log_sum_exp(logits, {.errors = &errors});
  ASSERT_EQ(errors.size(), 2);
  EXPECT_EQ(errors[0].reason, "NaN at column 650");
  EXPECT_EQ(errors[1].reason, "+inf at column 2");
  EXPECT_DOUBLE_EQ(lse[0], lse[2]);
  EXPECT_TRUE(std::isnan(lse[1]));
  EXPECT_EQ(lse[4], -kInfinity);

  errors.clear();
  std::vector<T> p(z.size());
  softmax(logits, {p.data(), 5, kColumns}, {.threads = 2, .errors = &errors});
  ASSERT_EQ(errors.size(), 3);
  EXPECT_EQ(errors[2].row, 4);
  EXPECT_EQ(errors[2].reason, "every category is impossible (all -inf)");
  EXPECT_TRUE(std::isnan(to_double(p[1 * kColumns])));
  EXPECT_NEAR(to_double(p[2 * kColumns + 9]), 1.0 / kColumns, 1e-5);

  errors.clear();
  EXPECT_EQ(argmax(logits, {.errors = &errors}), (std::vector<std::int64_t>{0, -1, 0, -1, -1}));
  EXPECT_EQ(errors.size(), 3);
  EXPECT_THAT([&] { log_sum_exp(logits); },
              ::testing::ThrowsMessage<InvalidArgument>("logits: row 1: NaN at column 650"));
}

TEST(Softmax, ShiftingAllLogitsChangesNothing) {
  EXPECT_TRUE(rc::check([] {
    // Integers, so that adding c is exact.
    const auto ints =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-90, 90)));
    const int c = *rc::gen::inRange(-100000, 100000);
    std::vector<float> z(ints.begin(), ints.end());
    std::vector<float> shifted;
    for (const int x : ints) shifted.push_back(static_cast<float>(x + c));
    std::vector<float> p(z.size());
    std::vector<float> q(z.size());
    softmax({z.data(), 1, z.size()}, {p.data(), 1, z.size()});
    softmax({shifted.data(), 1, z.size()}, {q.data(), 1, z.size()});
    RC_ASSERT(p == q);
    RC_ASSERT(argmax({p.data(), 1, p.size()}) == argmax({z.data(), 1, z.size()}));
  }));
}

TEST(Softmax, IsTheGradientOfLogSumExp) {
  std::vector<double> z = {0.3, -2.0, 1.1, 0.0};
  std::vector<double> p(4);
  softmax({z.data(), 1, 4}, {p.data(), 1, 4});
  for (std::size_t i = 0; i < 4; ++i) {
    const double h = 1e-5;
    std::vector<double> up = z;
    std::vector<double> down = z;
    up[i] += h;
    down[i] -= h;
    const double slope =
        (log_sum_exp({up.data(), 1, 4})[0] - log_sum_exp({down.data(), 1, 4})[0]) / (2 * h);
    EXPECT_NEAR(slope, p[i], 1e-9);
  }
}

TEST(Softmax, ConvertsBetweenFormats) {
  const std::vector<float> z = {1, 2, 3};
  std::vector<double> wide(3);
  softmax({z.data(), 1, 3}, {wide.data(), 1, 3});
  EXPECT_NEAR(wide[2], std::exp(3) / (std::exp(1) + std::exp(2) + std::exp(3)), 1e-16);
  std::vector<bfloat16> narrow(3);
  softmax({z.data(), 1, 3}, {narrow.data(), 1, 3});
  EXPECT_EQ(narrow[2].bits, bfloat16(static_cast<float>(wide[2])).bits);
}

TEST(Softmax, RefusesWrongShapes) {
  const std::vector<float> z(6);
  std::vector<float> p(6);
  EXPECT_THROW(softmax({z.data(), 2, 3}, {p.data(), 3, 2}), InvalidArgument);
  EXPECT_THROW(log_softmax({z.data(), 2, 3}, {p.data(), 1, 3}), InvalidArgument);
  EXPECT_THROW(log_sum_exp({z.data(), 2, 0}), InvalidArgument);
  EXPECT_TRUE(log_sum_exp({z.data(), 0, 3}).empty());
}

/// Rows read from back to front, results written over them from front to back.
TEST(Softmax, OverItsOwnLogitsInAnotherOrder) {
  constexpr std::size_t kColumns = 1500;
  std::vector<float> z(kColumns);
  for (std::size_t i = 0; i < kColumns; ++i) {
    z[i] = static_cast<float>(Stream{.seed = 12}.normal(i));
  }
  const auto backward = [&](std::vector<float>& values) {
    return Rows(values.data() + kColumns - 1, 1, kColumns, kColumns, -1);
  };
  std::vector<float> expected(kColumns);
  softmax(backward(z), MutableRows(expected.data(), 1, kColumns));
  softmax(backward(z), MutableRows(z.data(), 1, kColumns));
  EXPECT_EQ(z, expected);
}

}  // namespace
}  // namespace partita
