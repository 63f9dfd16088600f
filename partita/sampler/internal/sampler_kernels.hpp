// The SIMD kernels of the sampler, on blocks as in softmax/internal/kernels.hpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "partita/softmax/internal/kernels.hpp"

namespace partita::kernels {

/// The sampler's kernels for T, float or double.
template <class T>
struct SamplerKernels {
  /// For each of the consecutive blocks that make up z[0, n): lanes[l] = sum over lane l of
  /// exp(beta (z - max)), sum = the sum_lanes() of those; all 0 where max is -inf. Terms as in
  /// lane_sum_exp, with another rounding of beta (z - max).
  /// @param max  [blocks], none less than a z of its block
  /// @param sums [blocks]
  void (*lane_sum_tempered)(const T* z, std::size_t n, const T* max, T beta, T* lanes,
                            double* sums);

  /// The same, and moments = the sum of x exp(x), x = beta (z - max), over the block. What is
  /// impossible or less likely than the smallest normal number counts as that number.
  void (*lane_sum_moments)(const T* z, std::size_t n, const T* max, T beta, T* lanes, double* sums,
                           double* moments);

  /// Sum of exp(beta (z - max)) over the z[i] of one block with low < z[i] < high.
  double (*sum_between)(const T* z, std::size_t n, T low, T high, T max, T beta);

  /// Adds to sums[0, 3): how many z of one block are possible, their sum and the sum of their
  /// squares, of z - max in double.
  void (*add_deviations)(const T* z, std::size_t n, double max, double* sums);

  /// Bit i % 64 of word i / 64 is set if z[i] >= low, for one block.
  /// @param words [kBlock / 64]
  void (*mark_from)(const T* z, std::size_t n, T low, std::uint64_t* words);
};

template <class T>
const SamplerKernels<T>& sampler_of();
template <>
const SamplerKernels<float>& sampler_of<float>();
template <>
const SamplerKernels<double>& sampler_of<double>();

}  // namespace partita::kernels
