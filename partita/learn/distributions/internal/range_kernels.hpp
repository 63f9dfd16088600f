// SPDX-License-Identifier: Apache-2.0
// Looks at arrays of numbers, and a density that looks while it computes: one pass each, with the
// vectors of the processor at hand.
//
//   range_kernels<float>().all_within(x, n, 0, 1)
#pragma once

#include <cstddef>

namespace partita::distributions::kernels {

/// T: float or double. The looks end at the first block in which one number is outside; NaN is.
template <class T>
struct RangeKernels {
  /// Whether least <= x[i] <= greatest for all i.
  bool (*all_within)(const T* x, std::size_t n, T least, T greatest);
  /// Whether x[i] > 0 for all i.
  bool (*all_positive)(const T* x, std::size_t n);
  /// Whether all lie within, and are whole.
  bool (*all_whole_within)(const T* x, std::size_t n, T least, T greatest);
  /// Whether no number is negative and each row of k sums to 1 within the tolerance.
  bool (*all_on_simplex)(const T* x, std::size_t rows, std::size_t k, T tolerance);
  /// out[i] = offset[j] - slope[j] x[i] where x[i] >= 0, -inf where x[i] < 0, NaN where it is NaN,
  /// with j = i modulo `row`, the length of offset and slope.
  void (*falling_line)(const T* offset, const T* slope, std::size_t row, const T* x, std::size_t n,
                       T* out);
};

template <class T>
const RangeKernels<T>& range_kernels();
template <>
const RangeKernels<float>& range_kernels();
template <>
const RangeKernels<double>& range_kernels();

}  // namespace partita::distributions::kernels
