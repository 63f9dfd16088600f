// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "partita/softmax/internal/convert.hpp"
#include "partita/softmax/internal/row_kernels.hpp"
#include "targets.hpp"

namespace partita::kernels {
namespace {

using partita::testing::OnTarget;
using partita::testing::targets;

template <class T>
double ulps(T value, long double reference) {
  const T rounded = static_cast<T>(reference);
  const long double ulp =
      static_cast<long double>(std::nextafter(rounded, std::numeric_limits<T>::infinity())) -
      rounded;
  return static_cast<double>(std::abs(static_cast<long double>(value) - reference) / ulp);
}

template <class T>
class KernelsTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(KernelsTest, Types);

TYPED_TEST(KernelsTest, ExpIsWithinItsBoundOnEveryTarget) {
  using T = TypeParam;
  const double lowest = std::is_same_v<T, float> ? -87.0 : -708.0;
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    double worst = 0;
    std::mt19937_64 random(1);
    for (const T max : {T{0}, T(0.7), T(-33.3), T(1e4), T(-1e30)}) {
      for (int block = 0; block < 200; ++block) {
        std::vector<T> z(kBlock);
        std::uniform_real_distribution<double> below(block % 2 == 0 ? lowest : -2.0, 0);
        for (T& x : z) x = static_cast<T>(static_cast<double>(max) + below(random));
        for (T& x : z) x = std::min(x, max);
        std::vector<T> out(kBlock);
        of<T>().exp_accurate(z.data(), kBlock, max, out.data());
        for (std::size_t i = 0; i < kBlock; ++i) {
          const long double x = static_cast<long double>(z[i]) - static_cast<long double>(max);
          if (x < lowest) continue;  // subnormal: the next test
          worst = std::max(worst, ulps(out[i], std::exp(x)));
        }
      }
    }
    EXPECT_LE(worst, target <= HWY_AVX2 ? 1.1 : 1.5) << hwy::TargetName(target);
  }
}

TYPED_TEST(KernelsTest, SubnormalAndVanishingResults) {
  using T = TypeParam;
  const T tiny = std::numeric_limits<T>::denorm_min();
  const double start = std::is_same_v<T, float> ? -87.0 : -708.0;
  std::vector<T> z(kBlock);
  for (std::size_t i = 0; i < kBlock; ++i)
    z[i] = static_cast<T>(start - 0.1 * static_cast<double>(i));
  z[kBlock - 1] = -std::numeric_limits<T>::infinity();
  z[kBlock - 2] = std::numeric_limits<T>::lowest();
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<T> out(kBlock);
    of<T>().exp_accurate(z.data(), kBlock, T{0}, out.data());
    for (std::size_t i = 0; i < kBlock; ++i) {
      const long double reference = std::exp(static_cast<long double>(z[i]));
      ASSERT_LE(std::abs(out[i] - reference), std::max<long double>(tiny, 2e-7L * reference))
          << z[i];
    }
    EXPECT_EQ(out[kBlock - 1], 0);
    EXPECT_EQ(out[kBlock - 2], 0);
  }
}

// Terms of all sizes over their sum, whatever the maximum: the factor they share drops out.
TYPED_TEST(KernelsTest, RatiosOfLiftedTermsAreWithinTheirBoundOnEveryTarget) {
  using T = TypeParam;
  const double lowest = std::is_same_v<T, float> ? -103.0 : -744.0;
  std::vector<T> z(2 * kBlock + kStep);
  std::vector<T> out(z.size());
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    double worst = 0;
    double worst_short = 0;
    std::mt19937_64 random(6);
    for (const T max : {T{0}, T(0.7), T(-33.3), T(255.9), T(-256.1), T(2047.5), T(1e4), T(-1e30)}) {
      for (int repeat = 0; repeat < 60; ++repeat) {
        std::uniform_real_distribution<double> below(repeat % 2 == 0 ? lowest : -2.0, 0);
        for (T& x : z) x = std::min(max, static_cast<T>(static_cast<double>(max) + below(random)));
        z[7] = max;
        if (repeat % 3 == 0) std::fill(z.begin() + 8, z.end() - 8, z[9]);  // one rounding, often
        z[3] = -std::numeric_limits<T>::infinity();
        long double sum = 0;
        for (const T x : z) sum += std::exp(static_cast<long double>(x) - max);
        const auto ratio = [&](std::size_t i) {
          return std::exp(static_cast<long double>(z[i]) - max) / sum;
        };
        const Wide<double> total = of<T>().exp_lifted(z.data(), z.size(), max, out.data());
        for (std::size_t i = 0; i < z.size(); ++i) {
          const long double p =
              static_cast<long double>(out[i]) / (static_cast<long double>(total.high) + total.low);
          if (ratio(i) < std::numeric_limits<T>::min()) continue;
          worst = std::max(worst, ulps(static_cast<T>(p), ratio(i)));
        }
        EXPECT_EQ(out[3], 0);
        const double rounded =
            row_kernels<T>().exp_lifted_for_sum(z.data(), z.size(), max, out.data());
        for (std::size_t i = 0; i < z.size(); ++i) {
          const long double p = static_cast<long double>(out[i]) / rounded;
          const long double error = p / ratio(i) - 1;
          worst_short =
              std::max(worst_short, std::isnan(error) ? 0 : static_cast<double>(std::abs(error)));
        }
        EXPECT_EQ(out[3], 0);
      }
    }
    EXPECT_LE(worst, 2) << hwy::TargetName(target);
    EXPECT_LE(worst_short, -lowest * std::numeric_limits<T>::epsilon()) << hwy::TargetName(target);
  }
}

TYPED_TEST(KernelsTest, EveryInstructionSetGivesTheSameBits) {
  using T = TypeParam;
  if (targets().size() < 2) GTEST_SKIP() << "this machine has one only";
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal(0, 6);
  std::vector<std::vector<T>> results;
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    random.seed(2);
    std::vector<T> all;
    for (int block = 0; block < 100; ++block) {
      std::vector<T> z(kBlock);
      for (T& x : z) x = static_cast<T>(normal(random));
      std::array<T, kLanes> lanes{};
      T largest{};
      row_kernels<T>().lane_max(z.data(), kBlock, lanes.data(), &largest);
      all.push_back(largest);
      all.insert(all.end(), lanes.begin(), lanes.end());
      const T max = *std::max_element(z.begin(), z.end());
      std::array<T, kLanes> second{};
      row_kernels<T>().lane_top_two(z.data(), kBlock, lanes.data(), second.data(), &largest);
      all.insert(all.end(), second.begin(), second.end());
      double sum = 0;
      of<T>().exp_bounds(lanes.data(), second.data(), kLanes, max, T(31), second.data(), &sum);
      all.push_back(static_cast<T>(sum));
      row_kernels<T>().lane_sum_exp(z.data(), kBlock, &max, lanes.data(), &sum);
      all.push_back(static_cast<T>(sum));
      all.insert(all.end(), lanes.begin(), lanes.end());
      std::vector<T> terms(kBlock);
      std::vector<double> sums(kBlock / kLanes);
      of<T>().exp_terms(z.data(), kBlock, max, terms.data(), sums.data());
      for (const double s : sums) all.push_back(static_cast<T>(s));
      all.insert(all.end(), terms.begin(), terms.end());
      std::vector<double> starts(kBlock + kLanes);
      of<T>().lane_cumulate_exp(z.data(), kBlock, max, starts.data());
      for (const double s : starts) all.push_back(static_cast<T>(s));
      all.push_back(static_cast<T>(of<T>().exp_accurate(z.data(), kBlock, max, terms.data()).high));
      all.insert(all.end(), terms.begin(), terms.end());
      all.push_back(static_cast<T>(of<T>().exp_lifted(z.data(), kBlock, max, terms.data()).high));
      all.insert(all.end(), terms.begin(), terms.end());
      all.push_back(
          static_cast<T>(row_kernels<T>().exp_lifted_for_sum(z.data(), kBlock, max, terms.data())));
      row_kernels<T>().subtract(z.data(), kBlock, max, T(0.3), terms.data());
      all.insert(all.end(), terms.begin(), terms.end());
      const ExpSum<T> row = of<T>().exp_sum(z.data(), kBlock, terms.data());
      all.insert(all.end(), {row.max, static_cast<T>(row.sum)});
      all.insert(all.end(), terms.begin(), terms.end());
      all.push_back(static_cast<T>(of<T>().sum_squares(z.data(), kBlock)));
      of<T>().scale(z.data(), kBlock, {T(0.1), T(1e-9)}, z.data());
      all.insert(all.end(), z.begin(), z.end());
    }
    results.push_back(all);
  }
  for (const auto& other : results) {
    EXPECT_EQ(std::memcmp(results[0].data(), other.data(), other.size() * sizeof(T)), 0);
  }
}

TYPED_TEST(KernelsTest, LaneCumulateExpAddsUpTheTermsInDouble) {
  using T = TypeParam;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(0, 4);
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    for (const std::size_t n : {kStep, kBlock - kStep, kBlock}) {
      std::vector<T> z(n);
      for (T& x : z) x = static_cast<T>(normal(random));
      z[n / 2] = -std::numeric_limits<T>::infinity();
      const T max = *std::max_element(z.begin(), z.end());
      std::vector<T> terms(n);
      std::vector<double> sums(n / kLanes);
      of<T>().exp_terms(z.data(), n, max, terms.data(), sums.data());
      std::vector<double> starts(n + kLanes);
      of<T>().lane_cumulate_exp(z.data(), n, max, starts.data());
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        double sum = 0;
        for (std::size_t i = lane; i < n; i += kLanes) {
          ASSERT_EQ(starts[i], sum);
          sum += static_cast<double>(terms[i]);
        }
        ASSERT_EQ(starts[n + lane], sum);
      }
    }
  }
}

TYPED_TEST(KernelsTest, ShortRowsAtOnce) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(0, 4);
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    for (const std::size_t n : {kLanes, 3 * kLanes, 7 * kLanes}) {
      std::vector<T> z(n);
      for (T& x : z) x = static_cast<T>(normal(random));
      z[n - 1] = -kInfinity;
      std::vector<T> out(n);
      const ExpSum<T> row = of<T>().exp_sum(z.data(), n, out.data());
      EXPECT_TRUE(row.proper);
      EXPECT_EQ(row.max, *std::max_element(z.begin(), z.end()));
      EXPECT_EQ(out[n - 1], 0);
      long double sum = 0;
      long double squares = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const long double x = static_cast<long double>(z[i]) - row.max;
        // x is rounded, and so is log 2, which reduces it.
        EXPECT_LT(i + 1 < n ? ulps(out[i], std::exp(x)) : 0, 2 + 2 * std::abs(x));
        sum += out[i];
        squares += static_cast<long double>(out[i]) * out[i];
      }
      EXPECT_LT(ulps(static_cast<T>(row.sum), sum), 4);
      EXPECT_LT(ulps(static_cast<T>(of<T>().sum_squares(out.data(), n)), squares), 4);

      std::vector<T> sums(n, T(0.5));
      std::vector<std::uint16_t> above(n / kLanes);
      const T limit = out[2];
      of<T>().add_up_to(out.data(), n, limit, sums.data(), above.data());
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_EQ((above[i / kLanes] >> i % kLanes & 1) != 0, out[i] > limit);
        EXPECT_EQ(sums[i], out[i] > limit ? T(0.5) : T(0.5) + out[i]);
      }

      z[n / 2] = std::numeric_limits<T>::quiet_NaN();
      EXPECT_FALSE(of<T>().exp_sum(z.data(), n, out.data()).proper);
      z[n / 2] = kInfinity;
      EXPECT_EQ(of<T>().exp_sum(z.data(), n, out.data()).max, kInfinity);
      std::fill(z.begin(), z.end(), -kInfinity);
      EXPECT_EQ(of<T>().exp_sum(z.data(), n, out.data()).max, -kInfinity);
    }
  }
}

TEST(Kernels, NarrowRoundsAsTheFormatsDo) {
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal(0, 1e3F);
  std::vector<float> in(5000);
  for (float& x : in) x = normal(random);
  in[7] = std::numeric_limits<float>::quiet_NaN();
  in[8] = -std::numeric_limits<float>::infinity();
  in[9] = 1e30F;
  in[10] = 1e-7F;
  in[11] = 1.00390625F;  // halfway between two bfloat16
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<bfloat16> brain(in.size());
    std::vector<float16> half(in.size());
    narrow(in.data(), in.size(), brain.data());
    narrow(in.data(), in.size(), half.data());
    std::vector<bfloat16> scaled(in.size());
    scale_and_narrow(in.data(), in.size(), 0.3F, scaled.data());
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (std::isnan(in[i])) {
        EXPECT_TRUE(std::isnan(static_cast<float>(brain[i])));
        EXPECT_TRUE(std::isnan(static_cast<float>(half[i])));
      } else {
        ASSERT_EQ(brain[i].bits, bfloat16(in[i]).bits) << in[i];
        ASSERT_EQ(half[i].bits, float16(in[i]).bits) << in[i];
        ASSERT_EQ(scaled[i].bits, bfloat16(in[i] * 0.3F).bits) << in[i];
      }
    }
  }
}

TEST(Kernels, WidenIsExact) {
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<bfloat16> brain(1U << 16U);
    std::vector<float16> half(1U << 16U);
    for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
      brain[bits].bits = half[bits].bits = static_cast<std::uint16_t>(bits);
    }
    std::vector<float> out(1U << 16U);
    widen(brain.data(), brain.size(), out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!std::isnan(out[i])) {
        ASSERT_EQ(out[i], static_cast<float>(brain[i]));
      }
    }
    widen(half.data(), half.size(), out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!std::isnan(out[i])) {
        ASSERT_EQ(out[i], static_cast<float>(half[i]));
      }
    }
  }
}

}  // namespace
}  // namespace partita::kernels
