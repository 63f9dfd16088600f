#include "partita/softmax/kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

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
  static constexpr float kUnlift = 0x1p-64F;
  // Relative error 3.1e-9.
  template <class D, class V>
  static V polynomial(D d, V r) {
    V q = hn::Set(d, 0.0013814540176801306F);
    q = hn::MulAdd(q, r, hn::Set(d, 0.0083687451089425907F));
    q = hn::MulAdd(q, r, hn::Set(d, 0.041668390783547913F));
    q = hn::MulAdd(q, r, hn::Set(d, 0.16666520399042530F));
    return hn::MulAdd(q, r, hn::Set(d, 0.49999993432129290F));
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
  static constexpr double kUnlift = 0x1p-128;
  // Relative error 3.7e-18.
  template <class D, class V>
  static V polynomial(D d, V r) {
    V q = hn::Set(d, 2.5000018833187373e-8);
    q = hn::MulAdd(q, r, hn::Set(d, 2.7630306250293600e-7));
    q = hn::MulAdd(q, r, hn::Set(d, 2.7557586803895324e-6));
    q = hn::MulAdd(q, r, hn::Set(d, 0.000024801492949633869));
    q = hn::MulAdd(q, r, hn::Set(d, 0.00019841269505773775));
    q = hn::MulAdd(q, r, hn::Set(d, 0.0013888888943759965));
    q = hn::MulAdd(q, r, hn::Set(d, 0.0083333333334949773));
    q = hn::MulAdd(q, r, hn::Set(d, 0.041666666666529728));
    q = hn::MulAdd(q, r, hn::Set(d, 0.16666666666666412));
    return hn::MulAdd(q, r, hn::Set(d, 0.50000000000000107));
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
  const V shifted = hn::MulAdd(x, hn::Set(d, E::kLog2e), magic);
  power_bits = hn::ShiftLeft<E::kMantissa>(hn::BitCast(di, shifted));
  return hn::Sub(shifted, magic);
}

/// exp(z - max), for sums: the difference is rounded, so a term x = z - max has a relative error of
/// |x| / 2 ulp; since the term itself is e^x, that is at most 2 ulp of any sum that holds e^0.
/// 0 where the result would be subnormal.
template <class D, class V>
HWY_INLINE V ExpForSum(D d, V z, V max) {
  using E = Exp<hn::TFromD<D>>;
  const hn::RebindToSigned<D> di;
  const V x = hn::Sub(z, max);
  hn::VFromD<decltype(di)> power_bits;
  const V n = NearestPower(d, x, power_bits);
  const V r = hn::NegMulAdd(n, hn::Set(d, E::kLn2), x);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  const V y = hn::MulAdd(hn::MulAdd(E::polynomial(d, r), r, one), r, one);
  // Below the range, -inf included, the bits are meaningless and the mask takes them away.
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, E::kSmallestNormal)),
                            hn::BitCast(d, hn::Add(hn::BitCast(di, y), power_bits)));
}

/// A number as the sum of two: high is it rounded, low what the rounding left out.
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

/// exp(z - max) to a few bits more than T has, for any magnitudes, times 2^lift so that what is
/// below the smallest normal number keeps its digits until it is scaled back.
template <class D, class V>
HWY_INLINE Pair<V> ExpLifted(D d, V z, V max) {
  using T = hn::TFromD<D>;
  using E = Exp<T>;
  const hn::RebindToSigned<D> di;
  // Without the rounding error of the difference, a logit 90 below the maximum would lose 60 ulp.
  const auto x = TwoSum(z, hn::Neg(max));
  hn::VFromD<decltype(di)> power_bits;
  const V n = NearestPower(d, x.high, power_bits);
  const V r_high = hn::NegMulAdd(n, hn::Set(d, E::kLn2High), x.high);
  const V r_rest = hn::NegMulAdd(n, hn::Set(d, E::kLn2Low), x.low);
  const V r = hn::Add(r_high, r_rest);
  const V r_low = hn::Sub(r_rest, hn::Sub(r, r_high));
  const V one = hn::Set(d, T{1});
  const V t = hn::Add(r, hn::MulAdd(hn::Mul(r, r), E::polynomial(d, r), r_low));
  const V y = hn::Add(one, t);
  const V y_low = hn::Sub(t, hn::Sub(y, one));
  const V power = hn::BitCast(d, hn::Add(power_bits, hn::Set(di, E::kLiftedOne)));
  // Below the range, -inf included, all of it is meaningless, and becomes 0.
  const auto in_range = hn::Ge(x.high, hn::Set(d, E::kSmallest));
  return {hn::IfThenElseZero(in_range, hn::Mul(y, power)),
          hn::IfThenElseZero(in_range, hn::Mul(y_low, power))};
}

/// Calls step(i, accumulator) for the elements of each vector-wide slice of lanes, with four
/// accumulators kLanes apart, and then finish(slice, fold of the accumulators).
template <class T, class Accumulator, class Step, class Fold, class Finish>
HWY_INLINE void ReduceLanes(std::size_t n, Accumulator start, const Step& step, const Fold& fold,
                            const Finish& finish) {
  const Tag<T> d;
  const std::size_t width = hn::Lanes(d);
  for (std::size_t slice = 0; slice < kLanes; slice += width) {
    Accumulator a0 = start;
    Accumulator a1 = start;
    Accumulator a2 = start;
    Accumulator a3 = start;
    for (std::size_t i = slice; i < n; i += kStep) {
      a0 = step(i, a0);
      a1 = step(i + kLanes, a1);
      a2 = step(i + 2 * kLanes, a2);
      a3 = step(i + 3 * kLanes, a3);
    }
    finish(slice, fold(fold(a0, a1), fold(a2, a3)));
  }
}

/// sum_lanes(), in vectors of four.
template <class T>
HWY_INLINE double SumLanes(const T* lanes) {
  const hn::CappedTag<double, 4> d;
  if constexpr (HWY_TARGET == HWY_SCALAR || hn::MaxLanes(d) != 4) {
    return sum_lanes(lanes);
  } else {
    const auto four = [&](std::size_t i) {
      if constexpr (std::is_same_v<T, double>) {
        return hn::LoadU(d, lanes + i);
      } else {
        return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, decltype(d)>(), lanes + i));
      }
    };
    double quarter[4];
    hn::StoreU(hn::Add(hn::Add(four(0), four(8)), hn::Add(four(4), four(12))), d, quarter);
    return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
  }
}

/// How far ahead lane_sum_exp asks for memory: the run of blocks that row_pass.cpp takes at a time.
constexpr std::size_t kAhead = 4 * kBlock;

template <bool kTopTwo, class V>
struct Extremes {
  V max;
  V sum;
  V second;  // if kTopTwo
};

/// `second` is written if kTopTwo.
template <bool kTopTwo, class T>
HWY_INLINE bool LaneMaxT(const T* HWY_RESTRICT z, std::size_t n, T* HWY_RESTRICT lanes,
                         T* HWY_RESTRICT second, T* HWY_RESTRICT largest) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  using Seen = Extremes<kTopTwo, V>;
  const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  bool proper = true;
  for (std::size_t first = 0; first < n; first += kBlock, lanes += kLanes, ++largest) {
    // A maximum may overlook NaN, a sum does not, and costs less than comparing every element. (The
    // sum of -inf and what overflows is NaN, too: the caller looks again before he complains.)
    V max = lowest;
    V sum = hn::Zero(d);
    ReduceLanes<T>(
        std::min(kBlock, n - first), Seen{lowest, sum, lowest},
        [&](std::size_t i, Seen a) {
          const V v = hn::LoadU(d, z + first + i);
          if constexpr (kTopTwo) a.second = hn::Max(a.second, hn::Min(a.max, v));
          return Seen{hn::Max(a.max, v), hn::Add(a.sum, v), a.second};
        },
        [](Seen a, Seen b) {
          if constexpr (kTopTwo) {
            a.second = hn::Max(hn::Max(a.second, b.second), hn::Min(a.max, b.max));
          }
          return Seen{hn::Max(a.max, b.max), hn::Add(a.sum, b.sum), a.second};
        },
        [&](std::size_t slice, Seen a) {
          hn::StoreU(a.max, d, lanes + slice);
          if constexpr (kTopTwo) hn::StoreU(a.second, d, second + slice);
          max = hn::Max(max, a.max);
          sum = hn::Add(sum, a.sum);
        });
    if constexpr (kTopTwo) second += kLanes;
    *largest = hn::GetLane(hn::MaxOfLanes(d, max));
    proper &= hn::AllTrue(d, hn::Eq(sum, sum)) && *largest < std::numeric_limits<T>::infinity();
  }
  return proper;
}

template <class T>
HWY_INLINE void LaneSumExpT(const T* HWY_RESTRICT z, std::size_t n, const T* HWY_RESTRICT max,
                            T* HWY_RESTRICT lanes, double* HWY_RESTRICT sums) {
  const Tag<T> d;
  for (std::size_t first = 0; first < n; first += kBlock, ++max, lanes += kLanes, ++sums) {
    if (*max == -std::numeric_limits<T>::infinity()) {
      std::fill(lanes, lanes + kLanes, T{0});
      *sums = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    using V = hn::VFromD<Tag<T>>;
    ReduceLanes<T>(
        std::min(kBlock, n - first), hn::Zero(d),
        [&](std::size_t i, V sum) {
          // The next blocks' maxima come next, and would wait for memory while this one's sum is
          // all arithmetic. (Past the end of a row it is a hint about nothing.)
          hwy::Prefetch(z + first + i + kAhead);
          return hn::Add(sum, ExpForSum(d, hn::LoadU(d, z + first + i), m));
        },
        [](V a, V b) { return hn::Add(a, b); },
        [&](std::size_t slice, V sum) { hn::StoreU(sum, d, lanes + slice); });
    *sums = SumLanes(lanes);
  }
}

template <class T>
HWY_INLINE void ExpTermsT(const T* z, std::size_t n, T max, T* out, double* sums) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  for (std::size_t first = 0; first < n; first += kLanes) {
    for (std::size_t i = first; i < first + kLanes; i += hn::Lanes(d)) {
      hn::StoreU(ExpForSum(d, hn::LoadU(d, z + i), m), d, out + i);
    }
    *sums++ = SumLanes(out + first);
  }
}

template <class T>
HWY_INLINE void ExpBoundsT(const T* a, const T* b, std::size_t n, T max, T factor, T* out,
                           double* sums) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  const auto f = hn::Set(d, factor);
  for (std::size_t first = 0; first < n; first += kLanes) {
    for (std::size_t i = first; i < first + kLanes; i += hn::Lanes(d)) {
      const auto large = ExpForSum(d, hn::LoadU(d, a + i), m);
      hn::StoreU(hn::MulAdd(f, ExpForSum(d, hn::LoadU(d, b + i), m), large), d, out + i);
    }
    *sums++ = SumLanes(out + first);
  }
}

template <class T>
HWY_INLINE Wide<double> ExpAccurateT(const T* z, std::size_t n, T max, T* out) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  const auto unlift = hn::Set(d, Exp<T>::kUnlift);
  T high[kLanes];
  T low[kLanes];
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    auto lost = hn::Zero(d);
    for (std::size_t i = slice; i < n; i += kLanes) {
      const auto term = ExpLifted(d, hn::LoadU(d, z + i), m);
      hn::StoreU(hn::Mul(term.high, unlift), d, out + i);
      const auto next = TwoSum(sum, term.high);
      sum = next.high;
      lost = hn::Add(lost, hn::Add(next.low, term.low));
    }
    hn::StoreU(sum, d, high + slice);
    hn::StoreU(lost, d, low + slice);
  }
  double total = 0;
  double rest = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const auto term = static_cast<double>(high[lane]);
    const double next = total + term;
    const double back = next - total;
    rest += (total - (next - back)) + (term - back) + static_cast<double>(low[lane]);
    total = next;
  }
  const auto scale_back = static_cast<double>(Exp<T>::kUnlift);
  const double sum = total + rest;
  return {sum * scale_back, (rest - (sum - total)) * scale_back};
}

template <class T>
HWY_INLINE void ScaleT(const T* x, std::size_t n, Wide<T> scale, T* out) {
  const Tag<T> d;
  const auto high = hn::Set(d, scale.high);
  const auto low = hn::Set(d, scale.low);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreU(hn::MulAdd(v, high, hn::Mul(v, low)), d, out + i);
  }
}

template <class T>
HWY_INLINE void SubtractT(const T* z, std::size_t n, T max, T c, T* out) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  const auto s = hn::Set(d, c);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, z + i), m), s), d, out + i);
  }
}

bool LaneMaxF32(const float* z, std::size_t n, float* lanes, float* largest) {
  return LaneMaxT<false, float>(z, n, lanes, nullptr, largest);
}
bool LaneMaxF64(const double* z, std::size_t n, double* lanes, double* largest) {
  return LaneMaxT<false, double>(z, n, lanes, nullptr, largest);
}
bool LaneTopTwoF32(const float* z, std::size_t n, float* lanes, float* second, float* largest) {
  return LaneMaxT<true>(z, n, lanes, second, largest);
}
bool LaneTopTwoF64(const double* z, std::size_t n, double* lanes, double* second, double* largest) {
  return LaneMaxT<true>(z, n, lanes, second, largest);
}
void ExpBoundsF32(const float* a, const float* b, std::size_t n, float m, float f, float* out,
                  double* sums) {
  ExpBoundsT(a, b, n, m, f, out, sums);
}
void ExpBoundsF64(const double* a, const double* b, std::size_t n, double m, double f, double* out,
                  double* sums) {
  ExpBoundsT(a, b, n, m, f, out, sums);
}
void LaneSumExpF32(const float* z, std::size_t n, const float* m, float* lanes, double* sums) {
  LaneSumExpT(z, n, m, lanes, sums);
}
void LaneSumExpF64(const double* z, std::size_t n, const double* m, double* lanes, double* sums) {
  LaneSumExpT(z, n, m, lanes, sums);
}
void ExpTermsF32(const float* z, std::size_t n, float m, float* out, double* sums) {
  ExpTermsT(z, n, m, out, sums);
}
void ExpTermsF64(const double* z, std::size_t n, double m, double* out, double* sums) {
  ExpTermsT(z, n, m, out, sums);
}
Wide<double> ExpAccurateF32(const float* z, std::size_t n, float m, float* out) {
  return ExpAccurateT(z, n, m, out);
}
Wide<double> ExpAccurateF64(const double* z, std::size_t n, double m, double* out) {
  return ExpAccurateT(z, n, m, out);
}
void ScaleF32(const float* x, std::size_t n, Wide<float> s, float* out) { ScaleT(x, n, s, out); }
void ScaleF64(const double* x, std::size_t n, Wide<double> s, double* out) { ScaleT(x, n, s, out); }
void SubtractF32(const float* z, std::size_t n, float m, float c, float* out) {
  SubtractT(z, n, m, c, out);
}
void SubtractF64(const double* z, std::size_t n, double m, double c, double* out) {
  SubtractT(z, n, m, c, out);
}

void WidenBF16(const bfloat16* in, std::size_t n, float* out) {
  const Tag<float> d;
  const hn::Rebind<hwy::bfloat16_t, decltype(d)> d16;
  const auto* halves = reinterpret_cast<const hwy::bfloat16_t*>(in);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(d16, halves + i)), d, out + i);
  }
  for (; i < n; ++i) out[i] = static_cast<float>(in[i]);
}

void NarrowBF16(const float* in, std::size_t n, bfloat16* out) {
  const Tag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint16_t, decltype(d)> du16;
  auto* bits = reinterpret_cast<std::uint16_t*>(out);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, in + i);
    const auto word = hn::BitCast(du, v);
    const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(du, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(word, hn::Add(odd, hn::Set(du, 0x7FFF))));
    const auto nan = hn::RebindMask(du, hn::IsNaN(v));
    const auto half = hn::IfThenElse(nan, hn::Set(du, 0x7FC0), rounded);
    hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, half)), du16, bits + i);
  }
  for (; i < n; ++i) out[i] = bfloat16(in[i]);
}

// Only some targets have instructions for float16, and Highway's replacement for the others makes
// 65536 of infinity.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || !HWY_ARCH_X86
constexpr bool kHasFloat16 = true;
#else
constexpr bool kHasFloat16 = false;
#endif

void WidenF16(const float16* in, std::size_t n, float* out) {
  std::size_t i = 0;
  if constexpr (kHasFloat16) {
    const Tag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    const auto* halves = reinterpret_cast<const hwy::float16_t*>(in);
    for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(d16, halves + i)), d, out + i);
    }
  }
  for (; i < n; ++i) out[i] = static_cast<float>(in[i]);
}

void NarrowF16(const float* in, std::size_t n, float16* out) {
  std::size_t i = 0;
  if constexpr (kHasFloat16) {
    const Tag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    auto* halves = reinterpret_cast<hwy::float16_t*>(out);
    for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
      hn::StoreU(hn::DemoteTo(d16, hn::LoadU(d, in + i)), d16, halves + i);
    }
  }
  for (; i < n; ++i) out[i] = float16(in[i]);
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(LaneMaxF32);
HWY_EXPORT(LaneMaxF64);
HWY_EXPORT(LaneTopTwoF32);
HWY_EXPORT(LaneTopTwoF64);
HWY_EXPORT(ExpBoundsF32);
HWY_EXPORT(ExpBoundsF64);
HWY_EXPORT(LaneSumExpF32);
HWY_EXPORT(LaneSumExpF64);
HWY_EXPORT(ExpTermsF32);
HWY_EXPORT(ExpTermsF64);
HWY_EXPORT(ExpAccurateF32);
HWY_EXPORT(ExpAccurateF64);
HWY_EXPORT(ScaleF32);
HWY_EXPORT(ScaleF64);
HWY_EXPORT(SubtractF32);
HWY_EXPORT(SubtractF64);
HWY_EXPORT(WidenBF16);
HWY_EXPORT(WidenF16);
HWY_EXPORT(NarrowBF16);
HWY_EXPORT(NarrowF16);

bool lane_max(const float* z, std::size_t n, float* lanes, float* largest) {
  return HWY_DYNAMIC_DISPATCH(LaneMaxF32)(z, n, lanes, largest);
}
bool lane_max(const double* z, std::size_t n, double* lanes, double* largest) {
  return HWY_DYNAMIC_DISPATCH(LaneMaxF64)(z, n, lanes, largest);
}
bool lane_top_two(const float* z, std::size_t n, float* lanes, float* second, float* largest) {
  return HWY_DYNAMIC_DISPATCH(LaneTopTwoF32)(z, n, lanes, second, largest);
}
bool lane_top_two(const double* z, std::size_t n, double* lanes, double* second, double* largest) {
  return HWY_DYNAMIC_DISPATCH(LaneTopTwoF64)(z, n, lanes, second, largest);
}
void exp_bounds(const float* a, const float* b, std::size_t n, float max, float factor, float* out,
                double* sums) {
  HWY_DYNAMIC_DISPATCH(ExpBoundsF32)(a, b, n, max, factor, out, sums);
}
void exp_bounds(const double* a, const double* b, std::size_t n, double max, double factor,
                double* out, double* sums) {
  HWY_DYNAMIC_DISPATCH(ExpBoundsF64)(a, b, n, max, factor, out, sums);
}
void lane_sum_exp(const float* z, std::size_t n, const float* max, float* lanes, double* sums) {
  HWY_DYNAMIC_DISPATCH(LaneSumExpF32)(z, n, max, lanes, sums);
}
void lane_sum_exp(const double* z, std::size_t n, const double* max, double* lanes, double* sums) {
  HWY_DYNAMIC_DISPATCH(LaneSumExpF64)(z, n, max, lanes, sums);
}
void exp_terms(const float* z, std::size_t n, float max, float* out, double* sums) {
  HWY_DYNAMIC_DISPATCH(ExpTermsF32)(z, n, max, out, sums);
}
void exp_terms(const double* z, std::size_t n, double max, double* out, double* sums) {
  HWY_DYNAMIC_DISPATCH(ExpTermsF64)(z, n, max, out, sums);
}
Wide<double> exp_accurate(const float* z, std::size_t n, float max, float* out) {
  return HWY_DYNAMIC_DISPATCH(ExpAccurateF32)(z, n, max, out);
}
Wide<double> exp_accurate(const double* z, std::size_t n, double max, double* out) {
  return HWY_DYNAMIC_DISPATCH(ExpAccurateF64)(z, n, max, out);
}
void scale(const float* x, std::size_t n, Wide<float> scale, float* out) {
  HWY_DYNAMIC_DISPATCH(ScaleF32)(x, n, scale, out);
}
void scale(const double* x, std::size_t n, Wide<double> scale, double* out) {
  HWY_DYNAMIC_DISPATCH(ScaleF64)(x, n, scale, out);
}
void subtract(const float* z, std::size_t n, float max, float c, float* out) {
  HWY_DYNAMIC_DISPATCH(SubtractF32)(z, n, max, c, out);
}
void subtract(const double* z, std::size_t n, double max, double c, double* out) {
  HWY_DYNAMIC_DISPATCH(SubtractF64)(z, n, max, c, out);
}
void widen(const bfloat16* in, std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenBF16)(in, n, out);
}
void widen(const float16* in, std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenF16)(in, n, out);
}
void narrow(const float* in, std::size_t n, bfloat16* out) {
  HWY_DYNAMIC_DISPATCH(NarrowBF16)(in, n, out);
}
void narrow(const float* in, std::size_t n, float16* out) {
  HWY_DYNAMIC_DISPATCH(NarrowF16)(in, n, out);
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
