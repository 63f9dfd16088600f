// SPDX-License-Identifier: Apache-2.0
// The exponential in vectors, for kernels.cpp: a fast form for sums, and an accurate one. Compiled
// once for every target, as Highway's -inl files are.
#if defined(PARTITA_SOFTMAX_EXP_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PARTITA_SOFTMAX_EXP_INL_HPP
#undef PARTITA_SOFTMAX_EXP_INL_HPP
#else
#define PARTITA_SOFTMAX_EXP_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "partita/base/internal/exact-inl.hpp"
#include "partita/softmax/internal/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {

// At most kLanes elements a vector, so that a lane never spreads over two.
template <class T>
using Tag = hn::CappedTag<T, kLanes>;

/// exp(x) for x = z - max <= 0: reduction by multiples of log 2 (Cody and Waite 1980), then
/// 1 + r + r^2 q(r) with q the polynomial that minimizes the largest relative error on
/// |r| <= log(2) / 2 (found by Remez exchange).
template <class T>
struct Exp;

template <>
struct Exp<float> {
  static constexpr float kLog2e = 0x1.715476p+0F;
  static constexpr float kLn2 = 0x1.62e430p-1F;
  static constexpr float kLn2High = 0x1.62e4p-1F;  // 15 bits: times any exponent is exact
  static constexpr float kLn2Low = 0x1.7f7d1cp-20F;
  static constexpr float kSmallestNormal = -87.33654F;
  static constexpr float kSmallest = -104.0F;  // e^x < 2^-150 rounds to 0
  static constexpr int kMantissa = 23;
  static constexpr float kRound = 0x1.8p23F;
  static constexpr std::int32_t kLiftedOne = (127 + 64) << kMantissa;
  static constexpr float kLifted = 0x1p64F;
  static constexpr float kUnlift = 0x1p-64F;
  // Relative error 3.1e-9.
  template <class D, class V>
  static V polynomial(D d, V r) {
    V q = hn::Set(d, 0.0013814540176801306F);
    q = FusedMulAdd(q, r, hn::Set(d, 0.0083687451089425907F));
    q = FusedMulAdd(q, r, hn::Set(d, 0.041668390783547913F));
    q = FusedMulAdd(q, r, hn::Set(d, 0.16666520399042530F));
    return FusedMulAdd(q, r, hn::Set(d, 0.49999993432129290F));
  }
};

template <>
struct Exp<double> {
  static constexpr double kLog2e = 0x1.71547652b82fep+0;
  static constexpr double kLn2 = 0x1.62e42fefa39efp-1;
  static constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kSmallestNormal = -708.3964185322641;
  static constexpr double kSmallest = -746.0;
  static constexpr int kMantissa = 52;
  static constexpr double kRound = 0x1.8p52;
  static constexpr std::int64_t kLiftedOne = std::int64_t{1023 + 128} << kMantissa;
  static constexpr double kLifted = 0x1p128;
  static constexpr double kUnlift = 0x1p-128;
  // Relative error 3.7e-18.
  template <class D, class V>
  static V polynomial(D d, V r) {
    V q = hn::Set(d, 2.5000018833187373e-8);
    q = FusedMulAdd(q, r, hn::Set(d, 2.7630306250293600e-7));
    q = FusedMulAdd(q, r, hn::Set(d, 2.7557586803895324e-6));
    q = FusedMulAdd(q, r, hn::Set(d, 0.000024801492949633869));
    q = FusedMulAdd(q, r, hn::Set(d, 0.00019841269505773775));
    q = FusedMulAdd(q, r, hn::Set(d, 0.0013888888943759965));
    q = FusedMulAdd(q, r, hn::Set(d, 0.0083333333334949773));
    q = FusedMulAdd(q, r, hn::Set(d, 0.041666666666529728));
    q = FusedMulAdd(q, r, hn::Set(d, 0.16666666666666412));
    return FusedMulAdd(q, r, hn::Set(d, 0.50000000000000107));
  }
};

/// n = round(x / log 2), and 2^n as the bits to add to a float's: adding 1.5 * 2^mantissa rounds,
/// and leaves n in the low bits of the sum.
template <class D, class V>
HWY_INLINE V NearestPower(D d, V x, hn::VFromD<hn::RebindToSigned<D>>& power_bits) {
  using T = hn::TFromD<D>;
  using E = Exp<T>;
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, E::kRound);
  const V shifted = FusedMulAdd(x, hn::Set(d, E::kLog2e), magic);
  power_bits = hn::ShiftLeft<E::kMantissa>(hn::BitCast(di, shifted));
  return hn::Sub(shifted, magic);
}

/// exp(x) for kSmallestNormal <= x <= 0, to the digits that a sum needs. Below, -inf included, the
/// bits are meaningless.
template <class D, class V>
HWY_INLINE V ExpInRange(D d, V x) {
  using E = Exp<hn::TFromD<D>>;
  const hn::RebindToSigned<D> di;
  hn::VFromD<decltype(di)> power_bits;
  const V n = NearestPower(d, x, power_bits);
  const V r = FusedNegMulAdd(n, hn::Set(d, E::kLn2), x);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  const V y = FusedMulAdd(FusedMulAdd(E::polynomial(d, r), r, one), r, one);
  return hn::BitCast(d, hn::Add(hn::BitCast(di, y), power_bits));
}

/// exp(x) for x <= 0, for sums: as x = z - max is rounded, a term has a relative error of |x| / 2
/// ulp; since the term itself is e^x, that is at most 2 ulp of any sum that holds e^0. 0 where the
/// result would be subnormal.
template <class D, class V>
HWY_INLINE V ExpForSum(D d, V x) {
  using E = Exp<hn::TFromD<D>>;
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, E::kSmallestNormal)), ExpInRange(d, x));
}

/// sum += ExpForSum(x), in one instruction where the machine has masks.
template <class D, class V>
HWY_INLINE void AddExpForSum(D d, V x, V& sum) {
  using E = Exp<hn::TFromD<D>>;
  if constexpr (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) {
    const auto in_range = hn::Ge(x, hn::Set(d, E::kSmallestNormal));
    sum = hn::IfThenElse(in_range, hn::Add(sum, ExpInRange(d, x)), sum);
  } else {
    sum = hn::Add(sum, ExpForSum(d, x));
  }
}

/// exp(z - max) to a few bits more than T has, for any magnitudes, times 2^lift so that what is
/// below the smallest normal number keeps its digits until it is scaled back.
template <class D, class V>
HWY_INLINE Pair<V> ExpLifted(D d, V z, V max) {
  using T = hn::TFromD<D>;
  using E = Exp<T>;
  const hn::RebindToSigned<D> di;
  // Without the rounding error of the difference, a logit 90 below the maximum would lose 60 ulp.
  const V negative = hn::Neg(max);
  const auto x = FastTwoSum(hn::Min(z, negative), hn::Max(z, negative));  // z <= max
  hn::VFromD<decltype(di)> power_bits;
  const V n = NearestPower(d, x.high, power_bits);
  const V r = hn::Add(FusedNegMulAdd(n, hn::Set(d, E::kLn2High), x.high),
                      FusedNegMulAdd(n, hn::Set(d, E::kLn2Low), x.low));
  const V one = hn::Set(d, T{1});
  const V t = FusedMulAdd(hn::Mul(r, r), E::polynomial(d, r), r);
  const V y = hn::Add(one, t);
  const V y_low = hn::Sub(t, hn::Sub(y, one));
  const V power = hn::BitCast(d, hn::Add(power_bits, hn::Set(di, E::kLiftedOne)));
  // Below the range, -inf included, all of it is meaningless, and becomes 0.
  const auto in_range = hn::Ge(x.high, hn::Set(d, E::kSmallest));
  return {hn::IfThenElseZero(in_range, hn::Mul(y, power)),
          hn::IfThenElseZero(in_range, hn::Mul(y_low, power))};
}

/// The same to the digits that a sum needs (ExpForSum), subnormal results included.
template <class D, class V>
HWY_INLINE V ExpLiftedForSum(D d, V z, V max) {
  using T = hn::TFromD<D>;
  using E = Exp<T>;
  const hn::RebindToSigned<D> di;
  const V x = hn::Sub(z, max);
  hn::VFromD<decltype(di)> power_bits;
  const V n = NearestPower(d, x, power_bits);
  const V r = FusedNegMulAdd(n, hn::Set(d, E::kLn2), x);
  const V one = hn::Set(d, T{1});
  const V y = FusedMulAdd(FusedMulAdd(E::polynomial(d, r), r, one), r, one);
  const V power = hn::BitCast(d, hn::Add(power_bits, hn::Set(di, E::kLiftedOne)));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, E::kSmallest)), hn::Mul(y, power));
}

}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled for every target
