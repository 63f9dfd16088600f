#include "partita/softmax/internal/kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/internal/kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

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

/// Keeps what was loaded in its register. GCC would load it again for every use, and loads, of
/// which half cross a cache line, are what a search for the maximum waits for.
template <class V>
HWY_INLINE V InRegister(V v) {
#if HWY_ARCH_X86 && defined(__GNUC__) && !defined(__clang__)
  __asm__("" : "+v"(v.raw));
#endif
  return v;
}

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
          const V v = InRegister(hn::LoadU(d, z + first + i));
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
HWY_INLINE void LaneCumulateExpT(const T* HWY_RESTRICT z, std::size_t n, T max,
                                 double* HWY_RESTRICT starts) {
  const Tag<T> d;
  const Tag<double> sum;
  const auto m = hn::Set(d, max);
  std::fill(starts, starts + kLanes, 0);
  for (std::size_t first = 0; first < n; first += kLanes) {
    T terms[kLanes];
    for (std::size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
      hn::StoreU(ExpForSum(d, hn::LoadU(d, z + first + lane), m), d, terms + lane);
    }
    for (std::size_t lane = 0; lane < kLanes; lane += hn::Lanes(sum), starts += hn::Lanes(sum)) {
      const auto before = hn::LoadU(sum, starts);
      if constexpr (std::is_same_v<T, double>) {
        hn::StoreU(hn::Add(before, hn::LoadU(sum, terms + lane)), sum, starts + kLanes);
      } else {
        const hn::Rebind<float, Tag<double>> narrow;
        hn::StoreU(hn::Add(before, hn::PromoteTo(sum, hn::LoadU(narrow, terms + lane))), sum,
                   starts + kLanes);
      }
    }
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
void LaneCumulateExpF32(const float* z, std::size_t n, float m, double* starts) {
  LaneCumulateExpT(z, n, m, starts);
}
void LaneCumulateExpF64(const double* z, std::size_t n, double m, double* starts) {
  LaneCumulateExpT(z, n, m, starts);
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

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(LaneMaxF32);
HWY_EXPORT(LaneMaxF64);
HWY_EXPORT(LaneTopTwoF32);
HWY_EXPORT(LaneTopTwoF64);
HWY_EXPORT(LaneCumulateExpF32);
HWY_EXPORT(LaneCumulateExpF64);
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
void lane_cumulate_exp(const float* z, std::size_t n, float max, double* starts) {
  HWY_DYNAMIC_DISPATCH(LaneCumulateExpF32)(z, n, max, starts);
}
void lane_cumulate_exp(const double* z, std::size_t n, double max, double* starts) {
  HWY_DYNAMIC_DISPATCH(LaneCumulateExpF64)(z, n, max, starts);
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

}  // namespace partita::kernels
#endif  // HWY_ONCE
