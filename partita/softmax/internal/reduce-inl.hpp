// SPDX-License-Identifier: Apache-2.0
// Reading logits of any format into vectors of what they are computed in, and reducing them lane by
// lane. Compiled once for every target, as Highway's -inl files are.
#if defined(PARTITA_SOFTMAX_REDUCE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PARTITA_SOFTMAX_REDUCE_INL_HPP
#undef PARTITA_SOFTMAX_REDUCE_INL_HPP
#else
#define PARTITA_SOFTMAX_REDUCE_INL_HPP
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "partita/base/float16.hpp"
#include "partita/softmax/internal/exp-inl.hpp"
#include "partita/softmax/internal/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {

// Only some targets have instructions for float16, and Highway's replacement for the others makes
// 65536 of infinity.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || !HWY_ARCH_X86
inline constexpr bool kHasFloat16 = true;
#else
inline constexpr bool kHasFloat16 = false;
#endif

/// The next elements, exactly.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::VFromD<D> Read(D d, const T* z) {
  return hn::LoadU(d, z);
}
template <class D>
HWY_INLINE hn::VFromD<D> Read(D d, const bfloat16* z) {
  const hn::Rebind<hwy::bfloat16_t, D> narrow;
  return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::bfloat16_t*>(z)));
}
template <class D>
HWY_INLINE hn::VFromD<D> Read(D d, const float16* z) {
  if constexpr (kHasFloat16) {
    const hn::Rebind<hwy::float16_t, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::float16_t*>(z)));
  } else {
    float wide[hn::MaxLanes(D())];
    for (std::size_t i = 0; i < hn::Lanes(d); ++i) wide[i] = static_cast<float>(z[i]);
    return hn::LoadU(d, wide);
  }
}

/// The last n % kGroup elements of a row, filled up to a group with -inf, the logit of an
/// impossible category, so that they are read like the rest.
template <class E, std::size_t kGroup>
struct Tail {
  std::size_t first;
  std::size_t size;
  E values[kGroup];

  Tail(const E* z, std::size_t n) : first(n / kGroup * kGroup), size(n - first) {
    if (size == 0) return;
    std::copy(z + first, z + n, values);
    std::fill(values + size, values + kGroup, E(-std::numeric_limits<float>::infinity()));
  }
  void copy_to(E* out) const { std::copy(values, values + size, out + first); }
};

/// Calls visit(z + i, i) for every kGroup elements, the last ones filled up as by Tail.
template <std::size_t kGroup, class E, class Visit>
HWY_INLINE void VisitGroups(const E* z, std::size_t n, const Visit& visit) {
  const Tail<E, kGroup> tail(z, n);
  for (std::size_t i = 0; i < tail.first; i += kGroup) visit(z + i, i);
  if (tail.size > 0) visit(tail.values, tail.first);
}

/// Calls step(z + i, i, accumulator) for the elements i < n of each vector-wide slice of lanes,
/// with four accumulators kLanes apart, and then finish(slice, fold of the accumulators). What is
/// left at the end is filled up to kStep. T has Tag<T>, the vectors that are read.
template <class T, class E, class Accumulator, class Step, class Fold, class Finish>
HWY_INLINE void ReduceLanes(const E* z, std::size_t n, Accumulator start, const Step& step,
                            const Fold& fold, const Finish& finish) {
  const Tag<T> d;
  const std::size_t width = hn::Lanes(d);
  const Tail<E, kStep> tail(z, n);
  for (std::size_t slice = 0; slice < kLanes; slice += width) {
    Accumulator a0 = start;
    Accumulator a1 = start;
    Accumulator a2 = start;
    Accumulator a3 = start;
    for (std::size_t i = slice; i < tail.first; i += kStep) {
      a0 = step(z + i, i, a0);
      a1 = step(z + i + kLanes, i + kLanes, a1);
      a2 = step(z + i + 2 * kLanes, i + 2 * kLanes, a2);
      a3 = step(z + i + 3 * kLanes, i + 3 * kLanes, a3);
    }
    if (tail.size > 0) {
      const E* const from = tail.values + slice;
      const std::size_t i = tail.first + slice;
      a0 = step(from, i, a0);
      a1 = step(from + kLanes, i + kLanes, a1);
      a2 = step(from + 2 * kLanes, i + 2 * kLanes, a2);
      a3 = step(from + 3 * kLanes, i + 3 * kLanes, a3);
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

}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled for every target
