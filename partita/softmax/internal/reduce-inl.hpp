// SPDX-License-Identifier: Apache-2.0
// Reading logits of any format into vectors of what they are computed in, and reducing them lane by
// lane. Compiled once for every target, as Highway's -inl files are.
#if defined(PARTITA_SOFTMAX_REDUCE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PARTITA_SOFTMAX_REDUCE_INL_HPP
#undef PARTITA_SOFTMAX_REDUCE_INL_HPP
#else
#define PARTITA_SOFTMAX_REDUCE_INL_HPP
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "partita/base/float16.hpp"
#include "partita/softmax/internal/exp-inl.hpp"
#include "partita/softmax/internal/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {

// Only some targets have instructions for float16, and Highway's replacement for the others makes
// 65536 of infinity.
#if HWY_TARGET <= HWY_AVX2 || !HWY_ARCH_X86
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

/// Sums in vectors of lanes: out[k][l] = sum k over lane l of z[0, n), in the order of
/// ReduceLanes(). add(v, sums) adds the terms of a vector to its kSums sums. Callers are
/// HWY_FLATTEN: GCC would call it.
template <std::size_t kSums, class C, std::size_t kAhead = 0, class E, class AddTerms>
HWY_INLINE void SumOverLanes(const E* z, std::size_t n, const AddTerms& add,
                             C* const (&out)[kSums]) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const std::size_t width = hn::Lanes(d);
  const Tail<E, kStep> tail(z, n);
  for (std::size_t slice = 0; slice < kLanes; slice += width) {
    V sums[4][kSums];
    for (auto& each : sums) std::fill(each, each + kSums, hn::Zero(d));
    const auto step = [&](const E* from) {
      for (std::size_t a = 0; a < 4; ++a) {
        if (kAhead > 0) hwy::Prefetch(from + a * kLanes + kAhead);
        add(Read(d, from + a * kLanes), sums[a]);
      }
    };
    for (std::size_t i = 0; i < n; i += kStep) {
      step((i < tail.first ? z + i : tail.values) + slice);
    }
    for (std::size_t k = 0; k < kSums; ++k) {
      hn::StoreU(hn::Add(hn::Add(sums[0][k], sums[1][k]), hn::Add(sums[2][k], sums[3][k])), d,
                 out[k] + slice);
    }
  }
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
/// The same of bfloat16, of which a vector of 32 bits holds two: one becomes a float by a shift,
/// the other by a mask, so that lanes of even number are summed in one vector, odd ones in another.
template <std::size_t kSums, class C, std::size_t kAhead = 0, class AddTerms>
HWY_INLINE void SumOverLanes(const bfloat16* z, std::size_t n, const AddTerms& add,
                             C* const (&out)[kSums]) {
  const Tag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  using V = hn::VFromD<Tag<float>>;
  constexpr std::size_t kGroups = 2 * hn::MaxLanes(d) / kLanes;  // of lanes, in a vector
  const Tail<bfloat16, kStep> tail(z, n);
  const auto upper_half = hn::Set(du, 0xFFFF0000U);
  V even[4 / kGroups][kSums];
  V odd[4 / kGroups][kSums];
  for (std::size_t a = 0; a < 4 / kGroups; ++a) {
    std::fill(even[a], even[a] + kSums, hn::Zero(d));
    std::fill(odd[a], odd[a] + kSums, hn::Zero(d));
  }
  const auto step = [&](const bfloat16* from) {
    for (std::size_t a = 0; a < 4 / kGroups; ++a) {
      if (kAhead > 0) hwy::Prefetch(from + a * kGroups * kLanes + kAhead);
      const auto pairs =
          hn::LoadU(du, reinterpret_cast<const std::uint32_t*>(from + a * kGroups * kLanes));
      add(hn::BitCast(d, hn::ShiftLeft<16>(pairs)), even[a]);
      add(hn::BitCast(d, hn::And(pairs, upper_half)), odd[a]);
    }
  };
  for (std::size_t i = 0; i < n; i += kStep) step(i < tail.first ? z + i : tail.values);
  const hn::CappedTag<float, kLanes / 2> half;
  for (std::size_t k = 0; k < kSums; ++k) {
    const auto fold = [&](const auto& sums) {
      if constexpr (kGroups == 1) {
        return hn::Add(hn::Add(sums[0][k], sums[1][k]), hn::Add(sums[2][k], sums[3][k]));
      } else {
        const auto of_pair = [&](auto v) {
          return hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v));
        };
        return hn::Add(of_pair(sums[0][k]), of_pair(sums[1][k]));
      }
    };
    const auto e = fold(even);
    const auto o = fold(odd);
    const auto lower = hn::InterleaveLower(half, e, o);
    const auto upper = hn::InterleaveUpper(half, e, o);
    hn::StoreU(hn::ConcatLowerLower(half, upper, lower), half, out[k]);
    hn::StoreU(hn::ConcatUpperUpper(half, upper, lower), half, out[k] + kLanes / 2);
  }
}
#endif

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
