// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/base/internal/exact-inl_test.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/base/internal/exact-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t kStep = 16;

/// out[i] = a[i] b[i] + c[i] or, negative, c[i] - a[i] b[i], for a multiple of kStep.
template <class T>
void MulAddAll(const T* a, const T* b, const T* c, std::size_t n, bool negative, T* out) {
  const hn::CappedTag<T, kStep> d;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(d, a + i);
    const auto y = hn::LoadU(d, b + i);
    const auto z = hn::LoadU(d, c + i);
    hn::StoreU(negative ? FusedNegMulAdd(x, y, z) : FusedMulAdd(x, y, z), d, out + i);
  }
}

void MulAddFloats(const float* a, const float* b, const float* c, std::size_t n, bool negative,
                  float* out) {
  MulAddAll(a, b, c, n, negative, out);
}
void MulAddDoubles(const double* a, const double* b, const double* c, std::size_t n, bool negative,
                   double* out) {
  MulAddAll(a, b, c, n, negative, out);
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <gtest/gtest.h>

#include "tests/support/targets.hpp"

namespace partita::kernels {
namespace {

HWY_EXPORT(MulAddFloats);
HWY_EXPORT(MulAddDoubles);

void mul_add(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c,
             bool negative, std::vector<float>& out) {
  HWY_DYNAMIC_DISPATCH(MulAddFloats)
  (a.data(), b.data(), c.data(), a.size(), negative, out.data());
}
void mul_add(const std::vector<double>& a, const std::vector<double>& b,
             const std::vector<double>& c, bool negative, std::vector<double>& out) {
  HWY_DYNAMIC_DISPATCH(MulAddDoubles)
  (a.data(), b.data(), c.data(), a.size(), negative, out.data());
}

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using type = std::uint32_t;
};
template <>
struct Bits<double> {
  using type = std::uint64_t;
};

template <class T>
class FusedMulAddTest : public ::testing::Test {
 protected:
  using B = typename Bits<T>::type;
  static constexpr int kDigits = std::numeric_limits<T>::digits;

  /// Sebastiano Vigna's splitmix64.
  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
    return z ^ (z >> 31U);
  }

  /// +-m 2^e with an m of some digits and an e within so many of 0.
  T number(int digits, int exponents) {
    const auto mantissa = static_cast<double>(bits() >> static_cast<unsigned>(64 - digits));
    const auto exponent = static_cast<int>(bits() % static_cast<unsigned>(2 * exponents + 1));
    const T value = static_cast<T>(std::ldexp(mantissa, exponent - exponents));
    return bits() % 2 == 0 ? value : -value;
  }

  void add(T a, T b, T c) {
    a_.push_back(a);
    b_.push_back(b);
    c_.push_back(c);
  }

  /// Compares with std::fma on every instruction set.
  void compare() {
    while (a_.size() % 16 != 0) add(1, 1, 1);
    std::vector<T> out(a_.size());
    for (const std::int64_t target : testing::targets()) {
      const testing::OnTarget on_target(target);
      for (const bool negative : {false, true}) {
        mul_add(a_, b_, c_, negative, out);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < out.size() && wrong < 5; ++i) {
          const T expected = std::fma(negative ? -a_[i] : a_[i], b_[i], c_[i]);
          if (std::isnan(expected) && std::isnan(out[i])) continue;
          if (std::bit_cast<B>(expected) == std::bit_cast<B>(out[i])) continue;
          ++wrong;
          ADD_FAILURE() << hwy::TargetName(target) << std::hexfloat << ": " << a_[i] << " * "
                        << b_[i] << " + " << c_[i] << (negative ? " negated" : "") << " is "
                        << expected << ", not " << out[i];
        }
      }
    }
  }

 private:
  std::uint64_t state_ = 1;
  std::vector<T> a_, b_, c_;
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(FusedMulAddTest, Types);

TYPED_TEST(FusedMulAddTest, RoundsOnce) {
  for (int i = 0; i < 40'000; ++i) {
    this->add(this->number(this->kDigits, 8), this->number(this->kDigits, 8),
              this->number(this->kDigits, 2 * this->kDigits));
  }
  this->compare();
}

// Products of few digits and terms far below or above them fall on what lies halfway, and near it.
TYPED_TEST(FusedMulAddTest, RoundsTiesToEven) {
  for (int i = 0; i < 40'000; ++i) {
    const int few = 1 + i % this->kDigits;
    this->add(this->number(few, 3), this->number(this->kDigits + 1 - few, 3),
              std::ldexp(this->number(1 + i % 4, 3),
                         i % 3 == 0 ? this->kDigits : -this->kDigits - i % 70));
  }
  this->compare();
}

TYPED_TEST(FusedMulAddTest, KeepsWhatCancellationLeaves) {
  for (int i = 0; i < 40'000; ++i) {
    const TypeParam a = this->number(this->kDigits, 8);
    const TypeParam b = this->number(this->kDigits, 8);
    TypeParam c = -a * b;
    for (int steps = i % 4; steps > 0; --steps) c = std::nextafter(c, TypeParam{0});
    this->add(a, b, c);
  }
  this->compare();
}

// Subnormal numbers, those next to infinity, and what is no number.
TYPED_TEST(FusedMulAddTest, HoldsForEveryMagnitude) {
  using Limits = std::numeric_limits<TypeParam>;
  for (int i = 0; i < 40'000; ++i) {
    const int far = -Limits::min_exponent;
    this->add(this->number(this->kDigits, far), this->number(this->kDigits, far),
              this->number(this->kDigits, far));
    // Results about the smallest normal number.
    this->add(std::ldexp(this->number(this->kDigits, 2), Limits::min_exponent / 2 - this->kDigits),
              std::ldexp(this->number(this->kDigits, 2), Limits::min_exponent / 2 - this->kDigits),
              std::ldexp(this->number(this->kDigits, 2), Limits::min_exponent - this->kDigits));
  }
  const TypeParam special[] = {0,
                               -TypeParam{0},
                               1,
                               -1,
                               Limits::denorm_min(),
                               -Limits::min(),
                               Limits::max(),
                               Limits::lowest(),
                               Limits::infinity(),
                               -Limits::infinity(),
                               Limits::quiet_NaN()};
  for (const TypeParam a : special) {
    for (const TypeParam b : special) {
      for (const TypeParam c : special) this->add(a, b, c);
    }
  }
  this->compare();
}

}  // namespace
}  // namespace partita::kernels

#endif  // HWY_ONCE
