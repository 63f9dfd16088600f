// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/sampler_kernels.hpp"

#include <algorithm>
#include <cmath>
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

/// kLanes / 2 sums side by side, as many vectors as that takes, and added up in one order: the same
/// bits whatever the width of the machine's vectors.
class WideSums {
 public:
  static constexpr std::size_t kSums = kLanes / 2;
  using Tag = hn::CappedTag<double, kSums>;
  using V = hn::VFromD<Tag>;

  HWY_INLINE WideSums() { std::fill(std::begin(sums_), std::end(sums_), hn::Zero(Tag())); }
  /// That of the vectors which holds the sums of elements i, i + 1, ...
  HWY_INLINE V& of(std::size_t i) { return sums_[i % kSums / hn::MaxLanes(Tag())]; }
  HWY_INLINE double total() const {
    double lanes[kSums];
    for (std::size_t i = 0; i < kSums; i += hn::Lanes(Tag())) {
      hn::StoreU(sums_[i / hn::MaxLanes(Tag())], Tag(), lanes + i);
    }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }

 private:
  V sums_[kSums / hn::MaxLanes(Tag())];
};

template <class E, class C = Computed<E>>
HWY_FLATTEN void LaneSumTempered(const E* HWY_RESTRICT z, std::size_t n, const C* HWY_RESTRICT max,
                                 C beta, C* HWY_RESTRICT lanes, double* HWY_RESTRICT sums) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
  for (std::size_t first = 0; first < n; first += kBlock, ++max, lanes += kLanes, ++sums) {
    if (*max == -std::numeric_limits<C>::infinity()) {
      std::fill(lanes, lanes + kLanes, C{0});
      *sums = 0;
      continue;
    }
    const auto m = hn::Set(d, *max);
    const std::size_t size = std::min(kBlock, n - first);
    SumOverLanes<1, C>(
        z + first, size,
        [&](V v, V(&sum)[1]) { AddExpForSum(d, hn::Mul(scale, hn::Sub(v, m)), sum[0]); }, {lanes});
    *sums = SumLanes(lanes);
  }
}

template <class E, class C = Computed<E>>
HWY_FLATTEN void LaneSumMoments(const E* HWY_RESTRICT z, std::size_t n, const C* HWY_RESTRICT max,
                                C beta, C* HWY_RESTRICT lanes, double* HWY_RESTRICT sums,
                                double* HWY_RESTRICT moments) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
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
    SumOverLanes<2, C>(z + first, size,
                       [&](V v, V(&sum)[2]) {
                         const V x = hn::Max(hn::Mul(scale, hn::Sub(v, m)), lowest);
                         const V e = ExpInRange(d, x);
                         sum[0] = hn::Add(sum[0], e);
                         sum[1] = FusedMulAdd(x, e, sum[1]);
                       },
                       {lanes, x_lanes});
    *sums = SumLanes(lanes);
    *moments = SumLanes(x_lanes);
  }
}

template <class E, class C = Computed<E>>
HWY_FLATTEN double SumBetween(const E* HWY_RESTRICT z, std::size_t n, C low, C high, C except,
                              C max, C beta) {
  const Tag<C> d;
  using V = hn::VFromD<Tag<C>>;
  const V scale = hn::Set(d, beta);
  const V m = hn::Set(d, max);
  // Nothing that is out of the exponential's range; but the largest is, even of logits so large
  // that this distance from it rounds to 0.
  C out_of_range = max + C(0.999) * Exp<C>::kSmallestNormal / beta;
  if (!(out_of_range < max)) {
    out_of_range = std::nextafter(max, -std::numeric_limits<C>::infinity());
  }
  const V lowest = hn::Set(d, std::max(low, out_of_range));
  const V highest = hn::Set(d, high);
  const V left_out = hn::Set(d, except);
  C lanes[kLanes];
  SumOverLanes<1, C>(z, n,
                     [&](V v, V(&sum)[1]) {
                       const V e = ExpInRange(d, hn::Mul(scale, hn::Sub(v, m)));
                       const auto is_between = hn::And(hn::Gt(v, lowest), hn::Lt(v, highest));
                       sum[0] = hn::Add(
                           sum[0], hn::IfThenElseZero(hn::And(is_between, hn::Ne(v, left_out)), e));
                     },
                     {lanes});
  return SumLanes(lanes);
}

template <class C>
double SumLanesBetween(const C* HWY_RESTRICT largest, const C* HWY_RESTRICT weights,
                       const double* HWY_RESTRICT scales, std::size_t blocks, C low, C high, C max,
                       C beta) {
  const WideSums::Tag wide;
  const hn::Rebind<C, decltype(wide)> d;
  const auto lowest = hn::Set(d, low);
  const auto highest = hn::Set(d, high);
  const auto m = hn::Set(d, max);
  const auto scale = hn::Set(d, beta);
  const auto widen = [&](auto v) {
    if constexpr (std::is_same_v<C, double>) {
      return v;
    } else {
      return hn::PromoteTo(wide, v);
    }
  };
  WideSums sums;
  for (std::size_t b = 0; b < blocks; ++b, largest += kLanes, weights += kLanes) {
    const auto factor = hn::Set(wide, scales[b]);
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) {
      const auto top = hn::LoadU(d, largest + i);
      const auto weight = hn::IfThenElseZero(hn::Gt(top, lowest), hn::LoadU(d, weights + i));
      auto& sum = sums.of(i);
      sum = FusedMulAdd(widen(weight), factor, sum);
      const auto beyond = hn::Ge(top, highest);
      if (hn::AllFalse(d, beyond)) continue;
      const auto e = ExpForSum(d, hn::Mul(scale, hn::Sub(top, m)));
      sum = hn::Sub(sum, widen(hn::IfThenElseZero(beyond, e)));
    }
  }
  return sums.total();
}

template <class E, class C = Computed<E>>
void AddDeviations(const E* HWY_RESTRICT z, std::size_t n, double max, double* HWY_RESTRICT sums) {
  const WideSums::Tag d;
  const auto m = hn::Set(d, max);
  const auto one = hn::Set(d, 1.0);
  const auto never = hn::Set(d, -std::numeric_limits<double>::infinity());
  WideSums count, sum, squares;
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
      count.of(i) = hn::Add(count.of(i), hn::IfThenElseZero(possible, one));
      sum.of(i) = hn::Add(sum.of(i), x);
      squares.of(i) = FusedMulAdd(x, x, squares.of(i));
    }
  });
  sums[0] += count.total();
  sums[1] += sum.total();
  sums[2] += squares.total();
}

template <class E, class C = Computed<E>>
Parted<C> Part(const E* HWY_RESTRICT z, std::size_t n, C limit) {
  const Tag<C> d;
  constexpr C kInfinity = std::numeric_limits<C>::infinity();
  const auto infinity = hn::Set(d, kInfinity);
  const auto never = hn::Set(d, -kInfinity);
  const auto lowest = hn::Set(d, limit);
  std::size_t count = 0;
  auto least = infinity;
  auto next = never;
  VisitGroups<kLanes>(z, n, [&](const E* group, std::size_t) {
    for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) {
      const auto v = Read(d, group + i);
      const auto is_in = hn::Ge(v, lowest);
      count += hn::CountTrue(d, is_in);
      least = hn::Min(least, hn::IfThenElse(is_in, v, infinity));
      next = hn::Max(next, hn::IfThenElse(is_in, never, v));
    }
  });
  return {count, hn::GetLane(hn::MinOfLanes(d, least)), hn::GetLane(hn::MaxOfLanes(d, next))};
}

template <class E, class C = Computed<E>>
void KeepBetween(const E* z, std::size_t n, C low, C high, C* out) {
  const Tag<C> d;
  const auto lowest = hn::Set(d, low);
  const auto highest = hn::Set(d, high);
  const auto never = hn::Set(d, -std::numeric_limits<C>::infinity());
  const std::size_t whole = n / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += hn::Lanes(d)) {
    const auto v = Read(d, z + i);
    const auto is_between = hn::And(hn::Ge(v, lowest), hn::Le(v, highest));
    hn::StoreU(hn::IfThenElse(is_between, v, never), d, out + i);
  }
  for (std::size_t i = whole; i < n; ++i) {
    const auto v = static_cast<C>(z[i]);
    out[i] = v >= low && v <= high ? v : -std::numeric_limits<C>::infinity();
  }
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
      .sum_lanes_between = SumLanesBetween<Computed<E>>,
      .add_deviations = AddDeviations<E>,
      .part = Part<E>,
      .keep_between = KeepBetween<E>,
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
