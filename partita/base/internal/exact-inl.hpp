// SPDX-License-Identifier: Apache-2.0
// Sums and products of which nothing is lost, in vectors: what a rounding leaves out (TwoSum), and
// a b + c in one rounding (FusedMulAdd) also where the machine has no instruction for it, so that
// kernels have the same bits everywhere. Compiled once for every target, as Highway's -inl files
// are.
#if defined(PARTITA_BASE_EXACT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PARTITA_BASE_EXACT_INL_HPP
#undef PARTITA_BASE_EXACT_INL_HPP
#else
#define PARTITA_BASE_EXACT_INL_HPP
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstddef>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A number as the sum of two: high is its rounded value, low what the rounding left out.
template <class V>
struct Pair {
  V high;
  V low;
};

/// a + b exactly (Knuth's two-sum).
template <class V>
HWY_INLINE Pair<V> TwoSum(V a, V b) {
  const V sum = hn::Add(a, b);
  const V back = hn::Sub(sum, a);
  return {sum, hn::Add(hn::Sub(a, hn::Sub(sum, back)), hn::Sub(b, back))};
}

/// The same where |a| >= |b| (Dekker 1971).
template <class V>
HWY_INLINE Pair<V> FastTwoSum(V a, V b) {
  const V sum = hn::Add(a, b);
  return {sum, hn::Sub(b, hn::Sub(sum, a))};
}

HWY_INLINE Pair<double> TwoSum(double a, double b) {
  const double sum = a + b;
  const double back = sum - a;
  return {sum, (a - (sum - back)) + (b - back)};
}

#if HWY_NATIVE_FMA

template <class V>
HWY_INLINE V FusedMulAdd(V a, V b, V c) {
  return hn::MulAdd(a, b, c);
}

#else

/// a b + c, lane by lane.
template <class V>
HWY_INLINE V FusedMulAddOfLanes(V a, V b, V c) {
  const hn::DFromV<V> d;
  constexpr std::size_t kMost = hn::MaxLanes(decltype(d)());
  hn::TFromD<decltype(d)> x[kMost], y[kMost], z[kMost];
  hn::StoreU(a, d, x);
  hn::StoreU(b, d, y);
  hn::StoreU(c, d, z);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::LoadU(d, z);
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

template <class V>
HWY_INLINE V FusedMulAdd(V a, V b, V c) {
  return FusedMulAddOfLanes(a, b, c);
}

#else

/// a + b rounded to odd: cut off, and the last bit set if that left out anything. A second
/// rounding, to at least two bits less, is then that of the exact sum (Boldo and Melquiond 2008).
template <class V>
HWY_INLINE V AddToOdd(V a, V b) {
  const hn::DFromV<V> d;
  const hn::RebindToSigned<decltype(d)> di;
  const Pair<V> sum = TwoSum(a, b);
  const auto bits = hn::BitCast(di, sum.high);
  // -1 where the rounding was away from zero
  const auto back = hn::BroadcastSignBit(hn::BitCast(di, hn::Xor(sum.high, sum.low)));
  const auto odd = hn::Or(hn::Add(bits, back), hn::Set(di, 1));
  const auto zero = hn::Zero(d);
  const auto inexact = hn::Or(hn::Lt(sum.low, zero), hn::Gt(sum.low, zero));  // not NaN
  return hn::IfThenElse(inexact, hn::BitCast(d, odd), sum.high);
}

/// a b exactly, for 2^-900 < |a b| and |a|, |b| < 2^900 (Dekker 1971).
template <class V>
HWY_INLINE Pair<V> TwoProduct(V a, V b) {
  const hn::DFromV<V> d;
  const V splitter = hn::Set(d, 0x1p27 + 1);
  const auto split = [&](V x) {  // into halves of 26 bits
    const V large = hn::Mul(splitter, x);
    const V high = hn::Sub(large, hn::Sub(large, x));
    return Pair<V>{high, hn::Sub(x, high)};
  };
  const V product = hn::Mul(a, b);
  const Pair<V> x = split(a);
  const Pair<V> y = split(b);
  const V rest = hn::Sub(hn::Sub(hn::Sub(product, hn::Mul(x.high, y.high)), hn::Mul(x.low, y.high)),
                         hn::Mul(x.high, y.low));
  return {product, hn::Sub(hn::Mul(x.low, y.low), rest)};
}

/// a b + c for doubles that are neither huge nor tiny (Boldo and Melquiond 2008).
template <class V>
HWY_INLINE V FusedMulAddInRange(V a, V b, V c) {
  const Pair<V> product = TwoProduct(a, b);
  const Pair<V> small = TwoSum(c, product.low);
  const Pair<V> large = TwoSum(product.high, small.high);
  return hn::Add(large.high, AddToOdd(small.low, large.low));
}

/// A double that rounds to the float nearest a b + c, for doubles that are floats: their product is
/// exact. The sum is rounded, which matters only where that puts it halfway between two floats, or
/// where floats are subnormal.
template <class V>
HWY_INLINE V MulAddOfFloats(V a, V b, V c) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  const V product = hn::Mul(a, b);
  const V sum = hn::Add(product, c);
  const auto beyond = hn::And(hn::BitCast(bits, sum), hn::Set(bits, 0x1FFFFFFF));
  const auto halfway = hn::RebindMask(d, hn::Eq(beyond, hn::Set(bits, 0x10000000)));
  const auto subnormal = hn::Lt(hn::Abs(sum), hn::Set(d, 0x1p-126));
  if (HWY_LIKELY(hn::AllFalse(d, hn::Or(halfway, subnormal)))) {
    return sum;
  }
  return AddToOdd(product, c);
}

/// a b + c, rounded once.
template <class V>
HWY_INLINE V FusedMulAdd(V a, V b, V c) {
  const hn::DFromV<V> d;
  using T = hn::TFromD<decltype(d)>;
  if constexpr (std::is_same_v<T, double>) {
    const V product = hn::Mul(a, b);
    const auto zero = hn::Eq(hn::Min(hn::Abs(a), hn::Abs(b)), hn::Zero(d));
    const auto fits = hn::Or(zero, hn::Gt(hn::Abs(product), hn::Set(d, 0x1p-900)));
    const V largest =
        hn::Max(hn::Max(hn::Abs(a), hn::Abs(b)), hn::Max(hn::Abs(c), hn::Abs(product)));
    if (HWY_LIKELY(hn::AllTrue(d, hn::And(fits, hn::Lt(largest, hn::Set(d, 0x1p900)))))) {
      return hn::IfThenElse(zero, hn::Add(product, c), FusedMulAddInRange(a, b, c));
    }
    return FusedMulAddOfLanes(a, b, c);
  } else {
    const auto wide = [](auto dd, auto x, auto y, auto z) {
      return MulAddOfFloats(hn::PromoteTo(dd, x), hn::PromoteTo(dd, y), hn::PromoteTo(dd, z));
    };
    const hn::Half<decltype(d)> half;
    const hn::Rebind<double, decltype(half)> dd;
    const auto lower =
        wide(dd, hn::LowerHalf(half, a), hn::LowerHalf(half, b), hn::LowerHalf(half, c));
    const auto upper =
        wide(dd, hn::UpperHalf(half, a), hn::UpperHalf(half, b), hn::UpperHalf(half, c));
    return hn::Combine(d, hn::DemoteTo(half, upper), hn::DemoteTo(half, lower));
  }
}

#endif  // vectors or lanes
#endif  // HWY_NATIVE_FMA

/// c - a b, rounded once.
template <class V>
HWY_INLINE V FusedNegMulAdd(V a, V b, V c) {
#if HWY_NATIVE_FMA
  return hn::NegMulAdd(a, b, c);
#else
  return FusedMulAdd(hn::Neg(a), b, c);
#endif
}

}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled for every target
