#include "partita/sampler/internal/sampler_kernels.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/sampler/internal/sampler_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

/// Four sums at a time, so that an addition need not wait for the one before it; kStep elements.
template <class V>
struct FourSums {
  V a;
  V b;
  V c;
  V d;
};
template <class V>
HWY_INLINE V Total(const FourSums<V>& sum) {
  return hn::Add(hn::Add(sum.a, sum.b), hn::Add(sum.c, sum.d));
}

/// lanes[l] = the sum of term(i), i < n, over lane l; returns the sum_lanes() of those.
template <class D, class T, class Term>
HWY_INLINE double SumTerms(D d, std::size_t n, const Term& term, T* HWY_RESTRICT lanes) {
  const auto zero = hn::Zero(d);
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    FourSums<hn::VFromD<D>> sum{zero, zero, zero, zero};
    for (std::size_t i = slice; i < n; i += kStep) {
      sum.a = hn::Add(sum.a, term(i));
      sum.b = hn::Add(sum.b, term(i + kLanes));
      sum.c = hn::Add(sum.c, term(i + 2 * kLanes));
      sum.d = hn::Add(sum.d, term(i + 3 * kLanes));
    }
    hn::StoreU(Total(sum), d, lanes + slice);
  }
  return sum_lanes(lanes);
}

template <class T>
void LaneSumTempered(const T* HWY_RESTRICT z, std::size_t n, const T* HWY_RESTRICT max, T beta,
                     T* HWY_RESTRICT lanes, double* HWY_RESTRICT sums) {
  const Tag<T> d;
  const auto scale = hn::Set(d, beta);
  const auto zero = hn::Zero(d);
  for (std::size_t first = 0; first < n; first += kBlock, ++max, lanes += kLanes, ++sums) {
    if (*max == -std::numeric_limits<T>::infinity()) {
      std::fill(lanes, lanes + kLanes, T{0});
      *sums = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    const std::size_t size = std::min(kBlock, n - first);
    const auto term = [&](std::size_t i) {
      return ExpForSum(d, hn::Mul(scale, hn::Sub(hn::LoadU(d, z + first + i), m)), zero);
    };
    *sums = SumTerms(d, size, term, lanes);
  }
}

template <class T>
void LaneSumMoments(const T* HWY_RESTRICT z, std::size_t n, const T* HWY_RESTRICT max, T beta,
                    T* HWY_RESTRICT lanes, double* HWY_RESTRICT sums,
                    double* HWY_RESTRICT moments) {
  const Tag<T> d;
  const auto scale = hn::Set(d, beta);
  const auto zero = hn::Zero(d);
  const auto lowest = hn::Set(d, Exp<T>::kSmallestNormal);
  for (std::size_t first = 0; first < n;
       first += kBlock, ++max, lanes += kLanes, ++sums, ++moments) {
    if (*max == -std::numeric_limits<T>::infinity()) {
      std::fill(lanes, lanes + kLanes, T{0});
      *sums = 0;
      *moments = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    const std::size_t size = std::min(kBlock, n - first);
    T x_lanes[kLanes];
    const auto add = [&](std::size_t i, auto& sum, auto& moment) {
      const auto x = hn::Max(hn::Mul(scale, hn::Sub(hn::LoadU(d, z + first + i), m)), lowest);
      const auto e = ExpForSum(d, x, zero);
      sum = hn::Add(sum, e);
      moment = hn::MulAdd(x, e, moment);
    };
    for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
      FourSums<hn::VFromD<Tag<T>>> sum{zero, zero, zero, zero};
      FourSums<hn::VFromD<Tag<T>>> moment{zero, zero, zero, zero};
      for (std::size_t i = slice; i < size; i += kStep) {
        add(i, sum.a, moment.a);
        add(i + kLanes, sum.b, moment.b);
        add(i + 2 * kLanes, sum.c, moment.c);
        add(i + 3 * kLanes, sum.d, moment.d);
      }
      hn::StoreU(Total(sum), d, lanes + slice);
      hn::StoreU(Total(moment), d, x_lanes + slice);
    }
    *sums = sum_lanes(lanes);
    *moments = sum_lanes(x_lanes);
  }
}

template <class T>
double SumBetween(const T* HWY_RESTRICT z, std::size_t n, T low, T high, T max, T beta) {
  const Tag<T> d;
  const auto scale = hn::Set(d, beta);
  const auto m = hn::Set(d, max);
  const auto zero = hn::Zero(d);
  const auto lowest = hn::Set(d, low);
  const auto highest = hn::Set(d, high);
  const auto term = [&](std::size_t i) {
    const auto v = hn::LoadU(d, z + i);
    const auto e = ExpForSum(d, hn::Mul(scale, hn::Sub(v, m)), zero);
    return hn::IfThenElseZero(hn::And(hn::Gt(v, lowest), hn::Lt(v, highest)), e);
  };
  T lanes[kLanes];
  return SumTerms(d, n, term, lanes);
}

template <class T>
void AddDeviations(const T* HWY_RESTRICT z, std::size_t n, double max, double* HWY_RESTRICT sums) {
  const hn::CappedTag<double, kLanes / 2> d;
  const auto m = hn::Set(d, max);
  const auto one = hn::Set(d, 1.0);
  const auto never = hn::Set(d, -std::numeric_limits<double>::infinity());
  auto count = hn::Zero(d);
  auto sum = hn::Zero(d);
  auto squares = hn::Zero(d);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto v = [&] {
      if constexpr (std::is_same_v<T, double>) {
        return hn::LoadU(d, z + i);
      } else {
        return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, decltype(d)>(), z + i));
      }
    }();
    const auto possible = hn::Gt(v, never);
    const auto x = hn::IfThenElseZero(possible, hn::Sub(v, m));
    count = hn::Add(count, hn::IfThenElseZero(possible, one));
    sum = hn::Add(sum, x);
    squares = hn::MulAdd(x, x, squares);
  }
  sums[0] += hn::GetLane(hn::SumOfLanes(d, count));
  sums[1] += hn::GetLane(hn::SumOfLanes(d, sum));
  sums[2] += hn::GetLane(hn::SumOfLanes(d, squares));
}

template <class T>
void MarkFrom(const T* HWY_RESTRICT z, std::size_t n, T low, std::uint64_t* words) {
  const Tag<T> d;
  const auto lowest = hn::Set(d, low);
  const std::size_t width = hn::Lanes(d);
  for (std::size_t first = 0; first < n; first += 64) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 64; i += width) {
      std::uint8_t bytes[8] = {};
      hn::StoreMaskBits(d, hn::Ge(hn::LoadU(d, z + first + i), lowest), bytes);
      std::uint64_t bits = 0;
      std::memcpy(&bits, bytes, sizeof bits);
      word |= bits << i;
    }
    words[first / 64] = word;
  }
}

template <class T>
const SamplerKernels<T>* SamplerTable() {
  static constexpr SamplerKernels<T> kTable = {
      .lane_sum_tempered = LaneSumTempered<T>,
      .lane_sum_moments = LaneSumMoments<T>,
      .sum_between = SumBetween<T>,
      .add_deviations = AddDeviations<T>,
      .mark_from = MarkFrom<T>,
  };
  return &kTable;
}

const SamplerKernels<float>* SamplerTableF32() { return SamplerTable<float>(); }
const SamplerKernels<double>* SamplerTableF64() { return SamplerTable<double>(); }

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(SamplerTableF32);
HWY_EXPORT(SamplerTableF64);

template <>
const SamplerKernels<float>& sampler_of<float>() {
  return *HWY_DYNAMIC_DISPATCH(SamplerTableF32)();
}
template <>
const SamplerKernels<double>& sampler_of<double>() {
  return *HWY_DYNAMIC_DISPATCH(SamplerTableF64)();
}

}  // namespace partita::kernels
#endif  // HWY_ONCE
