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

/// How far ahead lane_sum_exp prefetches: the run of blocks that row_pass.cpp takes at a time.
constexpr std::size_t kAhead = 4 * kBlock;

/// Keeps a loaded value in its register. GCC would load it again for every use, and a search for
/// the maximum is bound by loads, half of which cross a cache line.
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
HWY_INLINE bool LaneExtremes(const T* HWY_RESTRICT z, std::size_t n, T* HWY_RESTRICT lanes,
                             T* HWY_RESTRICT second, T* HWY_RESTRICT largest) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  using Seen = Extremes<kTopTwo, V>;
  const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  bool proper = true;
  for (std::size_t first = 0; first < n; first += kBlock, lanes += kLanes, ++largest) {
    // A maximum may overlook NaN, a sum does not, and costs less than comparing every element. (The
    // sum of -inf and what overflows is NaN as well: the caller looks again before it throws.)
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
bool LaneMax(const T* z, std::size_t n, T* lanes, T* largest) {
  return LaneExtremes<false, T>(z, n, lanes, nullptr, largest);
}

template <class T>
bool LaneTopTwo(const T* z, std::size_t n, T* lanes, T* second, T* largest) {
  return LaneExtremes<true>(z, n, lanes, second, largest);
}

template <class T>
void LaneSumExp(const T* HWY_RESTRICT z, std::size_t n, const T* HWY_RESTRICT max,
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
void ExpTerms(const T* z, std::size_t n, T max, T* out, double* sums) {
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
void LaneCumulateExp(const T* HWY_RESTRICT z, std::size_t n, T max, double* HWY_RESTRICT starts) {
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
void ExpBounds(const T* a, const T* b, std::size_t n, T max, T factor, T* out, double* sums) {
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

/// The sum of kLanes pairs: for float, double has the digits; for double, what each addition loses
/// is kept.
template <class T>
HWY_INLINE Wide<double> SumPairs(const T* high, const T* low) {
  if constexpr (std::is_same_v<T, float>) return {SumLanes(high) + SumLanes(low), 0};
  double total = 0;
  double rest = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const auto next = TwoSum(total, static_cast<double>(high[lane]));
    total = next.high;
    rest += next.low + static_cast<double>(low[lane]);
  }
  const double sum = total + rest;
  return {sum, rest - (sum - total)};
}

/// The sum of exp(z - max) 2^lift; put(i, term) sees each.
template <class T, class Put>
HWY_INLINE Wide<double> SumLifted(const T* z, std::size_t n, T max, const Put& put) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  // More than all that is added to it, so that two subtractions tell what an addition loses.
  const auto start = hn::Set(d, Exp<T>::kLifted * T{2 * kBlock / kLanes});
  T high[kLanes];
  T low[kLanes];
  Wide<double> total;
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t end = std::min(n, first + kBlock);
    for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
      auto sum = start;
      auto lost = hn::Zero(d);
      for (std::size_t i = first + slice; i < end; i += kLanes) {
        const auto term = ExpLifted(d, hn::LoadU(d, z + i), m);
        put(i, term.high);
        const auto next = FastTwoSum(sum, term.high);
        lost = hn::Add(lost, hn::Add(next.low, term.low));
        sum = next.high;
      }
      hn::StoreU(hn::Sub(sum, start), d, high + slice);
      hn::StoreU(lost, d, low + slice);
    }
    const Wide<double> block = SumPairs(high, low);
    const auto next = TwoSum(total.high, block.high);
    total = {next.high, total.low + next.low + block.low};
  }
  return total;
}

template <class T>
Wide<double> ExpAccurate(const T* z, std::size_t n, T max, T* out) {
  const Tag<T> d;
  const auto unlift = hn::Set(d, Exp<T>::kUnlift);
  const Wide<double> sum = SumLifted(z, n, max, [&](std::size_t i, hn::VFromD<Tag<T>> term) {
    hn::StoreU(hn::Mul(term, unlift), d, out + i);
  });
  const auto unlift_sum = static_cast<double>(Exp<T>::kUnlift);
  return {sum.high * unlift_sum, sum.low * unlift_sum};
}

template <class T>
Wide<double> ExpLiftedTerms(const T* z, std::size_t n, T max, T* out) {
  const Tag<T> d;
  return SumLifted(z, n, max,
                   [&](std::size_t i, hn::VFromD<Tag<T>> term) { hn::StoreU(term, d, out + i); });
}

template <class T>
double ExpLiftedForSumTerms(const T* z, std::size_t n, T max, T* out) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  const V m = hn::Set(d, max);
  T lanes[kLanes];
  double total = 0;
  for (std::size_t first = 0; first < n; first += kBlock) {
    ReduceLanes<T>(
        std::min(kBlock, n - first), hn::Zero(d),
        [&](std::size_t i, V sum) {
          const V term = ExpLiftedForSum(d, hn::LoadU(d, z + first + i), m);
          hn::StoreU(term, d, out + first + i);
          return hn::Add(sum, term);
        },
        [](V a, V b) { return hn::Add(a, b); },
        [&](std::size_t slice, V sum) { hn::StoreU(sum, d, lanes + slice); });
    total += SumLanes(lanes);
  }
  return total;
}

template <class T>
void Scale(const T* x, std::size_t n, Wide<T> scale, T* out) {
  const Tag<T> d;
  const auto high = hn::Set(d, scale.high);
  const auto low = hn::Set(d, scale.low);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreU(hn::MulAdd(v, high, hn::Mul(v, low)), d, out + i);
  }
}

template <class T>
void Subtract(const T* z, std::size_t n, T max, T c, T* out) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  const auto s = hn::Set(d, c);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, z + i), m), s), d, out + i);
  }
}

template <class T>
const Kernels<T>* Table() {
  static constexpr Kernels<T> kTable = {
      .lane_max = LaneMax<T>,
      .lane_top_two = LaneTopTwo<T>,
      .lane_sum_exp = LaneSumExp<T>,
      .exp_terms = ExpTerms<T>,
      .lane_cumulate_exp = LaneCumulateExp<T>,
      .exp_bounds = ExpBounds<T>,
      .exp_accurate = ExpAccurate<T>,
      .exp_lifted = ExpLiftedTerms<T>,
      .exp_lifted_for_sum = ExpLiftedForSumTerms<T>,
      .scale = Scale<T>,
      .subtract = Subtract<T>,
  };
  return &kTable;
}

const Kernels<float>* TableF32() { return Table<float>(); }
const Kernels<double>* TableF64() { return Table<double>(); }

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(TableF32);
HWY_EXPORT(TableF64);

template <>
const Kernels<float>& of<float>() {
  return *HWY_DYNAMIC_DISPATCH(TableF32)();
}
template <>
const Kernels<double>& of<double>() {
  return *HWY_DYNAMIC_DISPATCH(TableF64)();
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
