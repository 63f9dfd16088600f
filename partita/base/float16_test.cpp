// SPDX-License-Identifier: Apache-2.0
#include "partita/base/float16.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace partita {
namespace {

template <class Half>
Half half_from_bits(std::uint32_t bits) {
  Half half;
  half.bits = static_cast<std::uint16_t>(bits);
  return half;
}

template <class Half>
class Float16Test : public ::testing::Test {};
using Formats = ::testing::Types<bfloat16, float16>;
TYPED_TEST_SUITE(Float16Test, Formats);

TYPED_TEST(Float16Test, EveryValueSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = half_from_bits<TypeParam>(bits);
    const float value = half;
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(TypeParam(value))));
    } else {
      ASSERT_EQ(TypeParam(value).bits, half.bits) << value;
    }
  }
}

TYPED_TEST(Float16Test, RoundsToNearestTiesToEven) {
  // Between every two neighbors a < b of the positive half: the midpoint goes to the even one, and
  // what is next to the midpoint to the nearer one.
  for (std::uint32_t bits = 0; bits < 0x7FFF; ++bits) {
    const float a = half_from_bits<TypeParam>(bits);
    const float b = half_from_bits<TypeParam>(bits + 1);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    const float middle = a + (b - a) / 2;
    ASSERT_EQ(TypeParam(middle).bits, bits % 2 == 0 ? bits : bits + 1) << middle;
    ASSERT_EQ(TypeParam(std::nextafter(middle, a)).bits, bits);
    ASSERT_EQ(TypeParam(std::nextafter(middle, b)).bits, bits + 1);
    ASSERT_EQ(TypeParam(-middle).bits, TypeParam(middle).bits | 0x8000U);
  }
}

TEST(Float16, KnownValues) {
  EXPECT_EQ(float16(1.0F).bits, 0x3C00);
  EXPECT_EQ(float16(65504.0F).bits, 0x7BFF);
  EXPECT_EQ(float16(65520.0F).bits, 0x7C00);
  EXPECT_EQ(float16(0x1p-24F).bits, 0x0001);
  EXPECT_EQ(bfloat16(1.0F).bits, 0x3F80);
  EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7F80);  // rounds up to infinity
}

}  // namespace
}  // namespace partita
