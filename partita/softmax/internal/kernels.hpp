// SPDX-License-Identifier: Apache-2.0
// The SIMD kernels under the softmax family: the operations on one block of a row. Not installed.
// Those that read a row of any format as it stands are in row_kernels.hpp.
//
// A block is kBlock logits (the last one of a row is filled up with -inf) and lies contiguous, in
// float or double. Its element i belongs to lane i mod kLanes, and every reduction is made lane by
// lane in an order that does not depend on the width of the machine's vectors. Multiply-adds round
// once everywhere (exact-inl.hpp), so that all machines give the same bits. kernels_test.cpp
// compares all of them with long double.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::kernels {

inline constexpr std::size_t kBlock = 512;
inline constexpr std::size_t kLanes = 16;
/// Blocks are filled up to a multiple of this: reductions keep four vectors of lanes in flight.
/// Kernels that do not reduce take any multiple of kLanes.
inline constexpr std::size_t kStep = 4 * kLanes;

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

/// A number, and what rounding it to T left out: high + low has twice the digits.
template <class T>
struct Wide {
  T high = 0;
  T low = 0;
};

/// What Kernels::exp_sum finds.
template <class T>
struct ExpSum {
  T max;
  double sum;
  bool proper;  ///< as from RowKernels::lane_max, but for +inf, which is the maximum
};

/// The kernels for T, float or double.
template <class T>
struct Kernels {
  /// out[i] = exp(z[i] - max), terms as in RowKernels::lane_sum_exp, and the sum_lanes() of each
  /// kLanes of them. In place is fine.
  /// @param sums [n / kLanes]
  void (*exp_terms)(const T* z, std::size_t n, T max, T* out, double* sums);

  /// Running sums of exp(z - max) along each lane of one block: starts[i] = the sum of the terms of
  /// i's lane before i, for i < n, and starts[n + l] = all of lane l. Terms as above, sums
  /// in double.
  /// @param starts [n + kLanes]
  void (*lane_cumulate_exp)(const T* z, std::size_t n, T max, double* starts);

  /// out[i] = exp(a[i] - max) + factor * exp(b[i] - max), and the sum_lanes() of each kLanes of
  /// them.
  void (*exp_bounds)(const T* a, const T* b, std::size_t n, T max, T factor, T* out, double* sums);

  /// out[i] = exp(z[i] - max) within 1.1 ulp (1.5 without FMA), subnormal terms included; returns
  /// the sum of what the terms are before they are rounded to T. About half as fast. Any n; in
  /// place is fine.
  Wide<double> (*exp_accurate)(const T* z, std::size_t n, T max, T* out);

  /// out[i] = exp(z[i] - max) 2^lift, with a lift that keeps all digits of what would be subnormal,
  /// and their sum: for ratios, from which it drops out. Any n; in place is fine.
  Wide<double> (*exp_lifted)(const T* z, std::size_t n, T max, T* out);

  /// out[i] = x[i] * scale. Any n; in place is fine.
  void (*scale)(const T* x, std::size_t n, Wide<T> scale, T* out);

  /// All of a short row at once: out[i] = exp(z[i] - max) with the largest z, terms as in
  /// RowKernels::lane_sum_exp, and their sum. In place is fine. @param n a multiple of kLanes
  ExpSum<T> (*exp_sum)(const T* z, std::size_t n, T* out);

  /// sums[i] += x[i] where x[i] <= limit. Bit l of above[g] says that x[g * kLanes + l] is not.
  /// @param n     a multiple of kLanes
  /// @param above [n / kLanes]
  void (*add_up_to)(const T* x, std::size_t n, T limit, T* sums, std::uint16_t* above);

  /// The sum of x[i]^2. @param n a multiple of kLanes
  double (*sum_squares)(const T* x, std::size_t n);
};

/// Those for this machine: kernels::of<float>().exp_terms(...).
template <class T>
const Kernels<T>& of();
template <>
const Kernels<float>& of<float>();
template <>
const Kernels<double>& of<double>();

/// The sum of kLanes numbers in double, in a fixed order.
template <class T>
double sum_lanes(const T* lanes) {
  double half[kLanes / 2];
  for (std::size_t i = 0; i < kLanes / 2; ++i) {
    half[i] = static_cast<double>(lanes[i]) + static_cast<double>(lanes[i + kLanes / 2]);
  }
  return ((half[0] + half[4]) + (half[1] + half[5])) + ((half[2] + half[6]) + (half[3] + half[7]));
}

}  // namespace partita::kernels
