// SPDX-License-Identifier: Apache-2.0
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
#include "partita/softmax/internal/reduce-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

template <class V>
struct Moments {
  V sum;
  V moment;
};

template <class E, class C = Computed<E>>
void LaneSumTempered(const E* HWY_RESTRICT z, std::size_t n, const C* HWY_RESTRICT max, C beta,
                     C* HWY_RESTRICT lanes, double* HWY_RESTRICT sums) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
  const V zero = hn::Zero(d);
  for (std::size_t first = 0; first < n; first += kBlock, ++max, lanes += kLanes, ++sums) {
    if (*max == -std::numeric_limits<C>::infinity()) {
      std::fill(lanes, lanes + kLanes, C{0});
      *sums = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    const std::size_t size = std::min(kBlock, n - first);
    ReduceLanes<C>(
        z + first, size, zero,
        [&](const E* from, std::size_t, V sum) {
          return hn::Add(sum, ExpForSum(d, hn::Mul(scale, hn::Sub(Read(d, from), m))));
        },
        [](V a, V b) { return hn::Add(a, b); },
        [&](std::size_t slice, V sum) { hn::StoreU(sum, d, lanes + slice); });
    *sums = SumLanes(lanes);
  }
}

template <class E, class C = Computed<E>>
void LaneSumMoments(const E* HWY_RESTRICT z, std::size_t n, const C* HWY_RESTRICT max, C beta,
                    C* HWY_RESTRICT lanes, double* HWY_RESTRICT sums,
                    double* HWY_RESTRICT moments) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
  const V zero = hn::Zero(d);
  const auto lowest = hn::Set(d, Exp<C>::kSmallestNormal);
  for (std::size_t first = 0; first < n;
       first += kBlock, ++max, lanes += kLanes, ++sums, ++moments) {
    if (*max == -std::numeric_limits<C>::infinity()) {
      std::fill(lanes, lanes + kLanes, C{0});
      *sums = 0;
      *moments = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    const std::size_t size = std::min(kBlock, n - first);
    C x_lanes[kLanes];
    ReduceLanes<C>(
        z + first, size, Moments<V>{zero, zero},
        [&](const E* from, std::size_t, Moments<V> a) {
          const V x = hn::Max(hn::Mul(scale, hn::Sub(Read(d, from), m)), lowest);
          const V e = ExpInRange(d, x);
          return Moments<V>{hn::Add(a.sum, e), hn::MulAdd(x, e, a.moment)};
        },
        [](Moments<V> a, Moments<V> b) {
          return Moments<V>{hn::Add(a.sum, b.sum), hn::Add(a.moment, b.moment)};
        },
        [&](std::size_t slice, Moments<V> a) {
          hn::StoreU(a.sum, d, lanes + slice);
          hn::StoreU(a.moment, d, x_lanes + slice);
        });
    *sums = SumLanes(lanes);
    *moments = SumLanes(x_lanes);
  }
}

template <class E, class C = Computed<E>>
double SumBetween(const E* HWY_RESTRICT z, std::size_t n, C low, C high, C except, C max, C beta) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
  const V m = hn::Set(d, max);
  // Nothing that is out of the exponential's range.
  const V lowest = hn::Set(d, std::max(low, max + C(0.999) * Exp<C>::kSmallestNormal / beta));
  const V highest = hn::Set(d, high);
  const V left_out = hn::Set(d, except);
  C lanes[kLanes];
  ReduceLanes<C>(
      z, n, hn::Zero(d),
      [&](const E* from, std::size_t, V sum) {
        const V v = Read(d, from);
        const V e = ExpInRange(d, hn::Mul(scale, hn::Sub(v, m)));
        const auto is_between = hn::And(hn::Gt(v, lowest), hn::Lt(v, highest));
        return hn::Add(sum, hn::IfThenElseZero(hn::And(is_between, hn::Ne(v, left_out)), e));
      },
      [](V a, V b) { return hn::Add(a, b); },
      [&](std::size_t slice, V sum) { hn::StoreU(sum, d, lanes + slice); });
  return SumLanes(lanes);
}

template <class E, class C = Computed<E>>
void CountBetween(const E* HWY_RESTRICT z, std::size_t n, C low, C high, C except,
                  double* HWY_RESTRICT sums) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V lowest = hn::Set(d, low);
  const V highest = hn::Set(d, high);
  const V left_out = hn::Set(d, except);
  const V one = hn::Set(d, C{1});
  const V zero = hn::Zero(d);
  C counts[kLanes];
  C offsets[kLanes];
  ReduceLanes<C>(
      z, n, Moments<V>{zero, zero},
      [&](const E* from, std::size_t, Moments<V> a) {
        const V v = Read(d, from);
        const auto is_between =
            hn::And(hn::And(hn::Gt(v, lowest), hn::Lt(v, highest)), hn::Ne(v, left_out));
        return Moments<V>{hn::Add(a.sum, hn::IfThenElseZero(is_between, one)),
                          hn::Add(a.moment, hn::IfThenElseZero(is_between, hn::Sub(v, lowest)))};
      },
      [](Moments<V> a, Moments<V> b) {
        return Moments<V>{hn::Add(a.sum, b.sum), hn::Add(a.moment, b.moment)};
      },
      [&](std::size_t slice, Moments<V> a) {
        hn::StoreU(a.sum, d, counts + slice);
        hn::StoreU(a.moment, d, offsets + slice);
      });
  sums[0] = SumLanes(counts);
  sums[1] = SumLanes(offsets);
}

template <class E, class C = Computed<E>>
void AddDeviations(const E* HWY_RESTRICT z, std::size_t n, double max, double* HWY_RESTRICT sums) {
  const hn::CappedTag<double, kLanes / 2> d;
  const auto m = hn::Set(d, max);
  const auto one = hn::Set(d, 1.0);
  const auto never = hn::Set(d, -std::numeric_limits<double>::infinity());
  auto count = hn::Zero(d);
  auto sum = hn::Zero(d);
  auto squares = hn::Zero(d);
  VisitGroups<kLanes>(z, n, [&](const E* group, std::size_t) {
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) {
      const auto v = [&] {
        if constexpr (std::is_same_v<E, double>) {
          return Read(d, group + i);
        } else {
          return hn::PromoteTo(d, Read(hn::Rebind<float, decltype(d)>(), group + i));
        }
      }();
      const auto possible = hn::Gt(v, never);
      const auto x = hn::IfThenElseZero(possible, hn::Sub(v, m));
      count = hn::Add(count, hn::IfThenElseZero(possible, one));
      sum = hn::Add(sum, x);
      squares = hn::MulAdd(x, x, squares);
    }
  });
  sums[0] += hn::GetLane(hn::SumOfLanes(d, count));
  sums[1] += hn::GetLane(hn::SumOfLanes(d, sum));
  sums[2] += hn::GetLane(hn::SumOfLanes(d, squares));
}

template <class E, class C = Computed<E>>
std::size_t CountFrom(const E* HWY_RESTRICT z, std::size_t n, C low) {
  const Tag<C> d;
  const auto lowest = hn::Set(d, low);
  std::size_t count = 0;
  VisitGroups<kLanes>(z, n, [&](const E* group, std::size_t) {
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) {
      count += hn::CountTrue(d, hn::Ge(Read(d, group + i), lowest));
    }
  });
  return count;
}

template <class E, class C = Computed<E>>
void MarkFrom(const E* HWY_RESTRICT z, std::size_t n, C low, std::uint64_t* words) {
  const Tag<C> d;
  const auto lowest = hn::Set(d, low);
  VisitGroups<64>(z, n, [&](const E* group, std::size_t first) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 64; i += hn::Lanes(d)) {
      std::uint8_t bytes[8] = {};
      hn::StoreMaskBits(d, hn::Ge(Read(d, group + i), lowest), bytes);
      std::uint64_t bits = 0;
      std::memcpy(&bits, bytes, sizeof bits);
      word |= bits << i;
    }
    words[first / 64] = word;
  });
}

template <class E>
constexpr SamplerKernels<E> Make() {
  return {
      .lane_sum_tempered = LaneSumTempered<E>,
      .lane_sum_moments = LaneSumMoments<E>,
      .sum_between = SumBetween<E>,
      .count_between = CountBetween<E>,
      .add_deviations = AddDeviations<E>,
      .count_from = CountFrom<E>,
      .mark_from = MarkFrom<E>,
  };
}

const ForElements<SamplerKernels>* Table() {
  static constexpr ForElements<SamplerKernels> kTable = {Make<float>(), Make<double>(),
                                                         Make<bfloat16>(), Make<float16>()};
  return &kTable;
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(Table);

const ForElements<SamplerKernels>& sampler_kernels() { return *HWY_DYNAMIC_DISPATCH(Table)(); }

}  // namespace partita::kernels
#endif  // HWY_ONCE
