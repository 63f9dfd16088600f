// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/tempered.hpp"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/softmax/internal/tempered.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

#include "partita/softmax/internal/exp-inl.hpp"
#include "partita/softmax/internal/row_pass.hpp"

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE TemperedSums TemperedSumsT(const T* HWY_RESTRICT z, std::size_t n, T max, T beta) {
  const Tag<T> d;
  const auto m = hn::Set(d, max);
  const auto b = hn::Set(d, beta);
  const auto lowest = hn::Set(d, Exp<T>::kSmallestNormal);
  const auto zero = hn::Zero(d);
  T lanes[5][kLanes];
  for (std::size_t slice = 0; slice < kLanes; slice += hn::Lanes(d)) {
    // Two sets of sums, so that an addition need not wait for the one before it.
    auto e0 = zero, e1 = zero;
    auto x0 = zero, x1 = zero;
    auto s0 = zero, s1 = zero;
    auto c0 = zero, c1 = zero;
    auto f0 = zero, f1 = zero;
    const auto add = [&](std::size_t i, auto& e_sum, auto& x_sum, auto& s_sum, auto& c_sum,
                         auto& f_sum) {
      const auto x = hn::Max(hn::Mul(b, hn::Sub(hn::LoadU(d, z + i), m)), lowest);
      const auto e = ExpInRange(d, x);
      const auto xe = hn::Mul(x, e);
      const auto x2 = hn::Mul(x, x);
      const auto x2e = hn::Mul(x2, e);
      e_sum = hn::Add(e_sum, e);
      x_sum = hn::Add(x_sum, xe);
      s_sum = hn::Add(s_sum, x2e);
      c_sum = FusedMulAdd(x2, xe, c_sum);
      f_sum = FusedMulAdd(x2, x2e, f_sum);
    };
    for (std::size_t i = slice; i < n; i += 2 * kLanes) {
      add(i, e0, x0, s0, c0, f0);
      add(i + kLanes, e1, x1, s1, c1, f1);
    }
    hn::StoreU(hn::Add(e0, e1), d, lanes[0] + slice);
    hn::StoreU(hn::Add(x0, x1), d, lanes[1] + slice);
    hn::StoreU(hn::Add(s0, s1), d, lanes[2] + slice);
    hn::StoreU(hn::Add(c0, c1), d, lanes[3] + slice);
    hn::StoreU(hn::Add(f0, f1), d, lanes[4] + slice);
  }
  TemperedSums sums;
  for (std::size_t k = 0; k < sums.size(); ++k) sums[k] = sum_lanes(lanes[k]);
  return sums;
}

TemperedSums TemperedSumsF32(const float* z, std::size_t n, float max, float beta) {
  return TemperedSumsT(z, n, max, beta);
}
TemperedSums TemperedSumsF64(const double* z, std::size_t n, double max, double beta) {
  return TemperedSumsT(z, n, max, beta);
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita {
namespace kernels {

HWY_EXPORT(TemperedSumsF32);
HWY_EXPORT(TemperedSumsF64);

TemperedSums tempered_sums(const float* z, std::size_t n, float max, float beta) {
  return HWY_DYNAMIC_DISPATCH(TemperedSumsF32)(z, n, max, beta);
}
TemperedSums tempered_sums(const double* z, std::size_t n, double max, double beta) {
  return HWY_DYNAMIC_DISPATCH(TemperedSumsF64)(z, n, max, beta);
}

}  // namespace kernels

template <class T>
TemperedRow tempered_row(Rows logits, std::size_t row, double max, double beta) {
  const RowReader<T> reader(logits, row);
  kernels::TemperedSums total{};
  T buffer[kernels::kBlock];
  for (std::size_t block = 0; block < reader.blocks(); ++block) {
    const auto z = reader.block(block, buffer);
    const auto sums =
        kernels::tempered_sums(z.data(), z.size(), static_cast<T>(max), static_cast<T>(beta));
    for (std::size_t k = 0; k < total.size(); ++k) total[k] += sums[k];
  }
  // Cumulants of x from its moments, then those of z.
  const double m1 = total[1] / total[0];
  const double m2 = total[2] / total[0];
  const double m3 = total[3] / total[0];
  const double m4 = total[4] / total[0];
  const double square = m1 * m1;
  const double variance = std::max(0.0, m2 - square);
  const double third = m3 - m1 * (3 * m2 - 2 * square);
  const double fourth =
      m4 - 4 * m1 * m3 + 6 * square * m2 - 3 * square * square - 3 * variance * variance;
  const auto used = static_cast<double>(static_cast<T>(beta));
  return {std::log(total[0]), m1 / used, variance / used / used, third / used / used / used,
          fourth / used / used / used / used};
}

template TemperedRow tempered_row<float>(Rows, std::size_t, double, double);
template TemperedRow tempered_row<double>(Rows, std::size_t, double, double);

}  // namespace partita
#endif  // HWY_ONCE
