// Reading logits of any format into vectors of what they are computed in, and reducing them lane by
// lane. Compiled once for every target, as Highway's -inl files are.
#if defined(PARTITA_SOFTMAX_REDUCE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PARTITA_SOFTMAX_REDUCE_INL_HPP
#undef PARTITA_SOFTMAX_REDUCE_INL_HPP
#else
#define PARTITA_SOFTMAX_REDUCE_INL_HPP
#endif

#include <hwy/highway.h>

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

/// Calls step(i, accumulator) for the elements of each vector-wide slice of lanes, with four
/// accumulators kLanes apart, and then finish(slice, fold of the accumulators).
/// T is the type of an element as it is read, with Tag<T>.
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

}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled for every target
