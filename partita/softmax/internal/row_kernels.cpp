// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/row_kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/internal/row_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"
#include "partita/softmax/internal/reduce-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

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

/// How LaneExtremes() compares elements E, as keys of the same order, and finds out whether one of
/// them is NaN or +inf.
template <class E>
struct Order {
  using Key = E;
  using D = Tag<E>;
  using V = hn::VFromD<D>;
  static constexpr Key kLowest = -std::numeric_limits<E>::infinity();

  static V keys(D d, const E* z) { return InRegister(hn::LoadU(d, z)); }

  // A maximum may overlook NaN, a sum does not, and costs less than comparing every element. (The
  // sum of -inf and what overflows is NaN as well: the caller looks again before it throws.)
  static constexpr Key kSeen = 0;
  static V see(V seen, V v) { return hn::Add(seen, v); }
  static bool is_proper(D d, V seen, Key largest) {
    return hn::AllTrue(d, hn::Eq(seen, seen)) && largest < std::numeric_limits<E>::infinity();
  }

  static void store(const Key* keys, E* out) { std::copy(keys, keys + kLanes, out); }
  static E value(Key key) { return key; }
};

/// 16 bits, read as a signed integer with its other bits inverted if it is negative.
template <class E, std::int16_t kInfinity>
struct ShortOrder {
  using Key = std::int16_t;
  using D = Tag<Key>;
  using V = hn::VFromD<D>;
  static constexpr Key kLowest = ~kInfinity;

  static V flipped(D d, V v) {
    return hn::Xor(v, hn::And(hn::ShiftRight<15>(v), hn::Set(d, 0x7FFF)));
  }
  static V keys(D d, const E* z) {
    return flipped(d, hn::LoadU(d, reinterpret_cast<const Key*>(z)));
  }

  // NaN is beyond an infinity, on the side of its sign.
  static constexpr Key kSeen = 0;
  static V see(V seen, V v) { return hn::Min(seen, v); }
  static bool is_proper(D d, V seen, Key largest) {
    return hn::AllFalse(d, hn::Lt(seen, hn::Set(d, kLowest))) && largest < kInfinity;
  }

  static void store(const Key* keys, float* out) {
    const D d;
    const Tag<float> wide;
    E elements[kLanes];
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) {
      hn::StoreU(flipped(d, hn::LoadU(d, keys + i)), d, reinterpret_cast<Key*>(elements + i));
    }
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(wide)) {
      hn::StoreU(Read(wide, elements + i), wide, out + i);
    }
  }
  static float value(Key key) {
    E element;
    element.bits = static_cast<std::uint16_t>(key < 0 ? key ^ 0x7FFF : key);
    return static_cast<float>(element);
  }
};
template <>
struct Order<bfloat16> : ShortOrder<bfloat16, 0x7F80> {};
template <>
struct Order<float16> : ShortOrder<float16, 0x7C00> {};

template <bool kTopTwo, class V>
struct Extremes {
  V max;
  V seen;
  V second;  // if kTopTwo
};

/// `second` is written if kTopTwo.
template <bool kTopTwo, class E, class C>
HWY_INLINE bool LaneExtremes(const E* HWY_RESTRICT z, std::size_t n, C* HWY_RESTRICT lanes,
                             C* HWY_RESTRICT second, C* HWY_RESTRICT largest) {
  using O = Order<E>;
  using Key = typename O::Key;
  using V = typename O::V;
  using Seen = Extremes<kTopTwo, V>;
  const Tag<Key> d;
  const V lowest = hn::Set(d, O::kLowest);
  bool proper = true;
  for (std::size_t first = 0; first < n; first += kBlock, lanes += kLanes, ++largest) {
    V max = lowest;
    V seen = hn::Set(d, O::kSeen);
    Key max_keys[kLanes];
    Key second_keys[kLanes];
    ReduceLanes<Key>(
        z + first, std::min(kBlock, n - first), Seen{lowest, seen, lowest},
        [&](const E* from, std::size_t, Seen a) {
          const V v = O::keys(d, from);
          if constexpr (kTopTwo) a.second = hn::Max(a.second, hn::Min(a.max, v));
          return Seen{hn::Max(a.max, v), O::see(a.seen, v), a.second};
        },
        [](Seen a, Seen b) {
          if constexpr (kTopTwo) {
            a.second = hn::Max(hn::Max(a.second, b.second), hn::Min(a.max, b.max));
          }
          return Seen{hn::Max(a.max, b.max), O::see(a.seen, b.seen), a.second};
        },
        [&](std::size_t slice, Seen a) {
          hn::StoreU(a.max, d, max_keys + slice);
          if constexpr (kTopTwo) hn::StoreU(a.second, d, second_keys + slice);
          max = hn::Max(max, a.max);
          seen = O::see(seen, a.seen);
        });
    O::store(max_keys, lanes);
    if constexpr (kTopTwo) {
      O::store(second_keys, second);
      second += kLanes;
    }
    const Key largest_key = hn::GetLane(hn::MaxOfLanes(d, max));
    *largest = O::value(largest_key);
    proper &= O::is_proper(d, seen, largest_key);
  }
  return proper;
}

template <class E, class C>
bool LaneMax(const E* z, std::size_t n, C* lanes, C* largest) {
  return LaneExtremes<false, E, C>(z, n, lanes, nullptr, largest);
}

template <class E, class C>
bool LaneTopTwo(const E* z, std::size_t n, C* lanes, C* second, C* largest) {
  return LaneExtremes<true>(z, n, lanes, second, largest);
}

template <class E, class C>
HWY_FLATTEN void LaneSumExp(const E* HWY_RESTRICT z, std::size_t n, const C* HWY_RESTRICT max,
                            C* HWY_RESTRICT lanes, double* HWY_RESTRICT sums) {
  const Tag<C> d;
  for (std::size_t first = 0; first < n; first += kBlock, ++max, lanes += kLanes, ++sums) {
    if (*max == -std::numeric_limits<C>::infinity()) {
      std::fill(lanes, lanes + kLanes, C{0});
      *sums = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    using V = hn::VFromD<Tag<C>>;
    // The next blocks' maxima come next, and would wait for memory while this one's sum is all
    // arithmetic. (Past the end of a row it is a hint about nothing.)
    SumOverLanes<1, C, kAhead>(z + first, std::min(kBlock, n - first),
                               [&](V v, V(&sum)[1]) { AddExpForSum(d, hn::Sub(v, m), sum[0]); },
                               {lanes});
    *sums = SumLanes(lanes);
  }
}

template <class E, class C>
double ExpLiftedForSumTerms(const E* z, std::size_t n, C max, C* out) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V m = hn::Set(d, max);
  C lanes[kLanes];
  double total = 0;
  for (std::size_t first = 0; first < n; first += kBlock) {
    ReduceLanes<C>(
        z + first, std::min(kBlock, n - first), hn::Zero(d),
        [&](const E* from, std::size_t i, V sum) {
          const V term = ExpLiftedForSum(d, Read(d, from), m);
          hn::StoreU(term, d, out + first + i);
          return hn::Add(sum, term);
        },
        [](V a, V b) { return hn::Add(a, b); },
        [&](std::size_t slice, V sum) { hn::StoreU(sum, d, lanes + slice); });
    total += SumLanes(lanes);
  }
  return total;
}

template <class E, class C>
void Subtract(const E* z, std::size_t n, C max, C c, C* out) {
  const Tag<C> d;
  const auto m = hn::Set(d, max);
  const auto s = hn::Set(d, c);
  const std::size_t whole = n / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += hn::Lanes(d)) {
    hn::StoreU(hn::Sub(hn::Sub(Read(d, z + i), m), s), d, out + i);
  }
  for (std::size_t i = whole; i < n; ++i) out[i] = (static_cast<C>(z[i]) - max) - c;
}

template <class E>
constexpr RowKernels<E> Make() {
  using C = Computed<E>;
  return {
      .lane_max = LaneMax<E, C>,
      .lane_top_two = LaneTopTwo<E, C>,
      .lane_sum_exp = LaneSumExp<E, C>,
      .exp_lifted_for_sum = ExpLiftedForSumTerms<E, C>,
      .subtract = Subtract<E, C>,
  };
}

const ForElements<RowKernels>* Table() {
  static constexpr ForElements<RowKernels> kTable = {Make<float>(), Make<double>(),
                                                     Make<bfloat16>(), Make<float16>()};
  return &kTable;
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(Table);

const ForElements<RowKernels>& row_kernels() { return *HWY_DYNAMIC_DISPATCH(Table)(); }

}  // namespace partita::kernels
#endif  // HWY_ONCE
