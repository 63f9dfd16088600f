// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/internal/kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"
#include "partita/softmax/internal/reduce-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

template <class T>
void ExpTerms(const T* z, std::size_t n, T max, T* out, double* sums) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  for (std::size_t first = 0; first < n; first += kLanes) {
    for (std::size_t i = first; i < first + kLanes; i += hn::Lanes(d)) {
      hn::StoreU(ExpForSum(d, hn::Sub(hn::LoadU(d, z + i), m)), d, out + i);
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
      hn::StoreU(ExpForSum(d, hn::Sub(hn::LoadU(d, z + first + lane), m)), d, terms + lane);
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
      const auto large = ExpForSum(d, hn::Sub(hn::LoadU(d, a + i), m));
      hn::StoreU(FusedMulAdd(f, ExpForSum(d, hn::Sub(hn::LoadU(d, b + i), m)), large), d, out + i);
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

/// out[i] = stored(exp(z - max) 2^lift), and the sum of those terms.
template <class T, class Stored>
HWY_INLINE Wide<double> SumLifted(const T* z, std::size_t n, T max, T* out, const Stored& stored) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  // More than all that is added to it, so that two subtractions tell what an addition loses.
  const auto start = hn::Set(d, Exp<T>::kLifted * (T{2 * kBlock} / T{kLanes}));
  Tail<T, kLanes> tail(z, n);
  T high[kLanes];
  T low[kLanes];
  Wide<double> total;
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t end = std::min(tail.first, first + kBlock);
    const bool has_tail = n - first < kBlock && tail.size > 0;
    for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
      auto sum = start;
      auto lost = hn::Zero(d);
      const auto add = [&](const T* from, T* to) {
        const auto term = ExpLifted(d, hn::LoadU(d, from), m);
        hn::StoreU(stored(term.high), d, to);
        const auto next = FastTwoSum(sum, term.high);
        lost = hn::Add(lost, hn::Add(next.low, term.low));
        sum = next.high;
      };
      for (std::size_t i = first + slice; i < end; i += kLanes) add(z + i, out + i);
      if (has_tail) add(tail.values + slice, tail.values + slice);
      hn::StoreU(hn::Sub(sum, start), d, high + slice);
      hn::StoreU(lost, d, low + slice);
    }
    const Wide<double> block = SumPairs(high, low);
    const auto next = TwoSum(total.high, block.high);
    total = {next.high, total.low + next.low + block.low};
  }
  tail.copy_to(out);
  return total;
}

template <class T>
Wide<double> ExpAccurate(const T* z, std::size_t n, T max, T* out) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  const V unlift = hn::Set(d, Exp<T>::kUnlift);
  const Wide<double> sum = SumLifted(z, n, max, out, [&](V term) { return hn::Mul(term, unlift); });
  const auto unlift_sum = static_cast<double>(Exp<T>::kUnlift);
  return {sum.high * unlift_sum, sum.low * unlift_sum};
}

template <class T>
Wide<double> ExpLiftedTerms(const T* z, std::size_t n, T max, T* out) {
  return SumLifted(z, n, max, out, [](hn::VFromD<Tag<T>> term) { return term; });
}

template <class T>
void Scale(const T* x, std::size_t n, Wide<T> scale, T* out) {
  const Tag<T> d;
  const auto high = hn::Set(d, scale.high);
  const auto low = hn::Set(d, scale.low);
  Tail<T, kLanes> tail(x, n);
  const auto scaled = [&](const T* from, T* to) {
    const auto v = hn::LoadU(d, from);
    hn::StoreU(FusedMulAdd(v, high, hn::Mul(v, low)), d, to);
  };
  for (std::size_t i = 0; i < tail.first; i += hn::Lanes(d)) scaled(x + i, out + i);
  if (tail.size == 0) return;
  for (std::size_t i = 0; i < kLanes; i += hn::Lanes(d)) scaled(tail.values + i, tail.values + i);
  tail.copy_to(out);
}

template <class T>
ExpSum<T> ExpSumOfRow(const T* z, std::size_t n, T* out) {
  const Tag<T> d;
  auto max = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto seen = hn::Zero(d);
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    for (std::size_t i = slice; i < n; i += kLanes) {
      const auto v = hn::LoadU(d, z + i);
      max = hn::Max(max, v);
      seen = hn::Add(seen, v);  // a maximum may overlook NaN
    }
  }
  max = hn::MaxOfLanes(d, max);
  T lanes[kLanes];
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    for (std::size_t i = slice; i < n; i += kLanes) {
      const auto term = ExpForSum(d, hn::Sub(hn::LoadU(d, z + i), max));
      hn::StoreU(term, d, out + i);
      sum = hn::Add(sum, term);
    }
    hn::StoreU(sum, d, lanes + slice);
  }
  return {hn::GetLane(max), SumLanes(lanes), hn::AllTrue(d, hn::Eq(seen, seen))};
}

template <class T>
void AddUpTo(const T* HWY_RESTRICT x, std::size_t n, T limit, T* HWY_RESTRICT sums,
             std::uint16_t* HWY_RESTRICT above) {
  const Tag<T> d;
  const auto most = hn::Set(d, limit);
  for (std::size_t first = 0; first < n; first += kLanes) {
    std::uint64_t bits = 0;
    for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
      const std::size_t i = first + slice;
      const auto v = hn::LoadU(d, x + i);
      const auto large = hn::Gt(v, most);
      hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::IfThenZeroElse(large, v)), d, sums + i);
      std::uint8_t bytes[8] = {};
      hn::StoreMaskBits(d, large, bytes);
      bits |= (std::uint64_t{bytes[0]} | std::uint64_t{bytes[1]} << 8U) << slice;
    }
    *above++ = static_cast<std::uint16_t>(bits);
  }
}

template <class T>
double SumSquares(const T* x, std::size_t n) {
  const Tag<T> d;
  T lanes[kLanes];
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    for (std::size_t i = slice; i < n; i += kLanes) {
      const auto v = hn::LoadU(d, x + i);
      sum = hn::Add(sum, hn::Mul(v, v));
    }
    hn::StoreU(sum, d, lanes + slice);
  }
  return SumLanes(lanes);
}

template <class T>
const Kernels<T>* Table() {
  static constexpr Kernels<T> kTable = {
      .exp_terms = ExpTerms<T>,
      .lane_cumulate_exp = LaneCumulateExp<T>,
      .exp_bounds = ExpBounds<T>,
      .exp_accurate = ExpAccurate<T>,
      .exp_lifted = ExpLiftedTerms<T>,
      .scale = Scale<T>,
      .exp_sum = ExpSumOfRow<T>,
      .add_up_to = AddUpTo<T>,
      .sum_squares = SumSquares<T>,
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
