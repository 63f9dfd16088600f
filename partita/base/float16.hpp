// SPDX-License-Identifier: Apache-2.0
// The two 16-bit floating-point storage formats: bfloat16 (Google Brain; the top half of a float)
// and float16 (IEEE 754 binary16). They hold bits and convert; arithmetic is done in float.
//
//   partita::bfloat16 b{1.5F};
//   float x = b;                       // 1.5
//   static_assert(sizeof(b) == 2);     // an array of them is an array of uint16_t, as in PyTorch
#pragma once

#include <bit>
#include <cstdint>

namespace partita {

/// bfloat16: 1 sign, 8 exponent, 7 fraction bits. From float: round to nearest, ties to even.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  explicit bfloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    if (value != value) {
      bits =
          static_cast<std::uint16_t>((word >> 16U) | 0x40U);  // stay NaN: rounding could give inf
    } else {
      bits = static_cast<std::uint16_t>((word + 0x7FFFU + ((word >> 16U) & 1U)) >> 16U);
    }
  }
  operator float() const {  // NOLINT(google-explicit-constructor): exact
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }
};

/// float16: 1 sign, 5 exponent, 10 fraction bits. From float: round to nearest, ties to even;
/// beyond 65504 becomes infinity, below 2^-24 subnormal or zero.
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  explicit float16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((word >> 16U) & 0x8000U);
    const auto magnitude = std::bit_cast<float>(word & 0x7FFFFFFFU);
    std::uint32_t half = 0;
    if (value != value) {
      half = 0x7E00U;
    } else if (magnitude >= 65520.0F) {  // rounds past the largest finite
      half = 0x7C00U;
    } else if (magnitude <
               0x1p-14F) {  // subnormal: adding 0.5 leaves the multiple of 2^-24 in place
      half = std::bit_cast<std::uint32_t>(magnitude + 0.5F) - 0x3F000000U;
    } else {
      const std::uint32_t rounded = (word & 0x7FFFFFFFU) + 0xFFFU + ((word >> 13U) & 1U);
      half = (rounded - 0x38000000U) >> 13U;
    }
    bits = static_cast<std::uint16_t>(sign | half);
  }
  operator float() const {  // NOLINT(google-explicit-constructor): exact
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
    const std::uint32_t fraction = bits & 0x3FFU;
    if (exponent == 0) {
      const auto magnitude = static_cast<float>(fraction) * 0x1p-24F;
      return sign != 0 ? -magnitude : magnitude;
    }
    const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return std::bit_cast<float>(sign | (wide << 23U) | (fraction << 13U));
  }
};

}  // namespace partita
