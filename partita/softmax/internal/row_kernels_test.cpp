// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/row_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "targets.hpp"

namespace partita::kernels {
namespace {

using partita::testing::OnTarget;
using partita::testing::targets;

template <class E>
class RowKernelsTest : public ::testing::Test {};
using Elements = ::testing::Types<float, double, bfloat16, float16>;
TYPED_TEST_SUITE(RowKernelsTest, Elements);

TYPED_TEST(RowKernelsTest, LaneMaxSeesNanAndInfinityAnywhere) {
  using E = TypeParam;
  using C = Computed<E>;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<E> z(kBlock, E(-kInfinity));
    std::array<C, kLanes> lanes{};
    C largest{};
    EXPECT_TRUE(row_kernels<E>().lane_max(z.data(), kBlock, lanes.data(), &largest));
    EXPECT_EQ(largest, -std::numeric_limits<C>::infinity());
    for (std::size_t i = 0; i < kBlock; ++i) {
      for (const float bad : {kNan, -kNan, kInfinity}) {
        z[i] = E(bad);
        ASSERT_FALSE(row_kernels<E>().lane_max(z.data(), kBlock, lanes.data(), &largest)) << i;
      }
      for (const float good : {-49152.0F, -0.0F, 0.0F, 0x1p-24F, 57344.0F}) {
        z[i] = E(good);
        ASSERT_TRUE(row_kernels<E>().lane_max(z.data(), kBlock, lanes.data(), &largest));
        ASSERT_EQ(lanes[i % kLanes], static_cast<C>(good));
        ASSERT_EQ(largest, static_cast<C>(good));
      }
      z[i] = E(-kInfinity);
    }
  }
}

TYPED_TEST(RowKernelsTest, TopTwoOfEachLane) {
  using E = TypeParam;
  using C = Computed<E>;
  std::mt19937_64 random(3);
  std::uniform_int_distribution<int> few(-9, 9);  // ties on purpose
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    for (const std::size_t n : {kStep, kBlock, 2 * kBlock + kStep}) {
      std::vector<E> z(n);
      for (E& x : z) x = E(static_cast<float>(few(random)));
      std::vector<C> lanes(3 * kLanes);
      std::vector<C> second(3 * kLanes);
      std::array<C, 3> largest{};
      ASSERT_TRUE(
          row_kernels<E>().lane_top_two(z.data(), n, lanes.data(), second.data(), largest.data()));
      for (std::size_t first = 0; first < n; first += kBlock) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          std::vector<C> members;
          for (std::size_t i = first + lane; i < std::min(n, first + kBlock); i += kLanes) {
            members.push_back(static_cast<C>(z[i]));
          }
          std::sort(members.rbegin(), members.rend());
          ASSERT_EQ(lanes[first / kBlock * kLanes + lane], members[0]);
          ASSERT_EQ(second[first / kBlock * kLanes + lane], members[1]);
        }
      }
    }
  }
}

template <class E>
class ShortRowKernelsTest : public ::testing::Test {};
using ShortElements = ::testing::Types<bfloat16, float16>;
TYPED_TEST_SUITE(ShortRowKernelsTest, ShortElements);

TYPED_TEST(ShortRowKernelsTest, GiveTheBitsOfTheRowConverted) {
  using E = TypeParam;
  constexpr std::size_t kBlocks = 40;
  std::mt19937_64 random(6);
  for (const float sigma : {1e-3F, 1.0F, 8.0F, 3e3F}) {
    std::normal_distribution<float> normal(0, sigma);
    std::vector<E> z(kBlocks * kBlock);
    for (E& x : z)
      x = E(random() % 50 == 0 ? -std::numeric_limits<float>::infinity() : normal(random));
    std::fill_n(z.begin(), kBlock, E(-std::numeric_limits<float>::infinity()));
    const std::vector<float> wide(z.begin(), z.end());
    for (const std::int64_t target : targets()) {
      const OnTarget on(target);
      const auto results = [&]<class Element>(const std::vector<Element>& row) {
        std::vector<float> all(kBlocks * (4 * kLanes + 2));
        float* const largest = all.data();
        float* const lanes = largest + kBlocks;
        float* const second = lanes + kBlocks * kLanes;
        float* const top = second + kBlocks * kLanes;
        float* const terms = top + kBlocks * kLanes;
        std::array<double, kBlocks> sums{};
        const auto& kernels = row_kernels<Element>();
        EXPECT_TRUE(kernels.lane_top_two(row.data(), row.size(), top, second, largest));
        EXPECT_TRUE(kernels.lane_max(row.data(), row.size(), lanes, largest));
        kernels.lane_sum_exp(row.data(), row.size(), largest, terms, sums.data());
        std::copy(sums.begin(), sums.end(), all.end() - kBlocks);
        return all;
      };
      const auto expected = results(wide);
      const auto found = results(z);
      ASSERT_EQ(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << sigma;
    }
  }
}

}  // namespace
}  // namespace partita::kernels
