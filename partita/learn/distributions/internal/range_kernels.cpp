// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/range_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/learn/distributions/internal/range_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace partita::distributions::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

/// Whether holds(d, vector) in every lane; of a last vector that is not full, the rest is x[0].
template <class T, class Holds>
HWY_INLINE bool Every(const T* HWY_RESTRICT x, std::size_t n, const Holds& holds) {
  if (n == 0) return true;
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  constexpr std::size_t kBlock = 4096;  // numbers; a multiple of any vector's
  const std::size_t whole = n - n % (4 * lanes);
  std::size_t i = 0;
  while (i < whole) {
    const std::size_t end = std::min(whole, i + kBlock);
    auto first = holds(d, hn::LoadU(d, x + i));
    auto second = first;
    auto third = first;
    auto fourth = first;
    for (; i < end; i += 4 * lanes) {
      first = hn::And(first, holds(d, hn::LoadU(d, x + i)));
      second = hn::And(second, holds(d, hn::LoadU(d, x + i + lanes)));
      third = hn::And(third, holds(d, hn::LoadU(d, x + i + 2 * lanes)));
      fourth = hn::And(fourth, holds(d, hn::LoadU(d, x + i + 3 * lanes)));
    }
    if (!hn::AllTrue(d, hn::And(hn::And(first, second), hn::And(third, fourth)))) return false;
  }
  for (; i < n; i += lanes) {
    const std::size_t count = std::min(lanes, n - i);
    HWY_ALIGN T last[HWY_MAX_BYTES / sizeof(T)];
    std::fill_n(last, lanes, x[0]);
    std::copy_n(x + i, count, last);
    if (!hn::AllTrue(d, holds(d, hn::Load(d, last)))) return false;
  }
  return true;
}

template <class T>
bool Within(const T* x, std::size_t n, T least, T greatest) {
  return Every(x, n, [=](auto d, auto v) HWY_ATTR {
    return hn::And(hn::Ge(v, hn::Set(d, least)), hn::Le(v, hn::Set(d, greatest)));
  });
}

template <class T>
bool Positive(const T* x, std::size_t n) {
  return Every(x, n, [](auto d, auto v) HWY_ATTR { return hn::Gt(v, hn::Zero(d)); });
}

template <class T>
bool WholeWithin(const T* x, std::size_t n, T least, T greatest) {
  return Every(x, n, [=](auto d, auto v) HWY_ATTR {
    return hn::And(hn::And(hn::Ge(v, hn::Set(d, least)), hn::Le(v, hn::Set(d, greatest))),
                   hn::Eq(v, hn::Floor(v)));
  });
}

template <class T>
bool OnSimplex(const T* x, std::size_t rows, std::size_t k, T tolerance) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto none = hn::Zero(d);
  for (std::size_t row = 0; row < rows; ++row, x += k) {
    auto least = none;
    auto also_least = none;
    auto sum = none;
    auto also_sum = none;
    std::size_t i = 0;
    for (; i + 2 * lanes <= k; i += 2 * lanes) {
      const auto first = hn::LoadU(d, x + i);
      const auto second = hn::LoadU(d, x + i + lanes);
      least = hn::Min(least, first);
      also_least = hn::Min(also_least, second);
      sum = hn::Add(sum, first);
      also_sum = hn::Add(also_sum, second);
    }
    T total = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, also_sum)));
    bool is_negative = !hn::AllTrue(d, hn::Ge(hn::Min(least, also_least), none));
    for (; i < k; ++i) {
      total += x[i];
      is_negative = is_negative || x[i] < 0;
    }
    if (is_negative || !(std::abs(total - 1) <= tolerance)) return false;  // so is NaN's total
  }
  return true;
}

/// One vector of FallingLine.
template <class D, class T>
HWY_INLINE void FallingVector(D d, const T* offset, const T* slope, const T* x, T* out) {
  const auto v = hn::LoadU(d, x);
  const auto line = hn::NegMulAdd(hn::LoadU(d, slope), v, hn::LoadU(d, offset));
  const auto impossible = hn::Set(d, -std::numeric_limits<T>::infinity());
  hn::StoreU(hn::IfThenElse(hn::Lt(v, hn::Zero(d)), impossible, line), d, out);
}

template <class T>
void FallingLine(const T* HWY_RESTRICT offset, const T* HWY_RESTRICT slope, std::size_t row,
                 const T* HWY_RESTRICT x, std::size_t n, T* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t begin = 0; begin < n; begin += row) {
    const std::size_t count = std::min(row, n - begin);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      FallingVector(d, offset + i, slope + i, x + begin + i, out + begin + i);
    }
    for (; i < count; ++i) {
      FallingVector(one, offset + i, slope + i, x + begin + i, out + begin + i);
    }
  }
}

template <class T>
const RangeKernels<T>* Table() {
  static constexpr RangeKernels<T> kTable = {.all_within = Within<T>,
                                             .all_positive = Positive<T>,
                                             .all_whole_within = WholeWithin<T>,
                                             .all_on_simplex = OnSimplex<T>,
                                             .falling_line = FallingLine<T>};
  return &kTable;
}

const RangeKernels<float>* TableF32() { return Table<float>(); }
const RangeKernels<double>* TableF64() { return Table<double>(); }

}  // namespace
}  // namespace partita::distributions::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::distributions::kernels {

HWY_EXPORT(TableF32);
HWY_EXPORT(TableF64);

template <>
const RangeKernels<float>& range_kernels() {
  return *HWY_DYNAMIC_DISPATCH(TableF32)();
}
template <>
const RangeKernels<double>& range_kernels() {
  return *HWY_DYNAMIC_DISPATCH(TableF64)();
}

}  // namespace partita::distributions::kernels
#endif  // HWY_ONCE
