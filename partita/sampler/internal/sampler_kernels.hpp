// SPDX-License-Identifier: Apache-2.0
// The SIMD kernels of the sampler, on rows as in softmax/internal/row_kernels.hpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "partita/softmax/internal/row_kernels.hpp"

namespace partita::kernels {

/// What lies on both sides of a limit.
template <class C>
struct Parted {
  std::size_t count;  ///< how many are >= the limit
  C least;            ///< the least of those
  C next;             ///< the largest of the others; -inf if there is none
};

/// The sampler's kernels for elements E: float, double, bfloat16 or float16.
template <class E>
struct SamplerKernels {
  using C = Computed<E>;

  /// For each of the consecutive blocks that make up z[0, n): lanes[l] = sum over lane l of
  /// exp(beta (z - max)), sum = the sum_lanes() of those; all 0 where max is -inf. Terms as in
  /// lane_sum_exp, with another rounding of beta (z - max).
  /// @param max  [blocks], none less than a z of its block
  /// @param sums [blocks]
  void (*lane_sum_tempered)(const E* z, std::size_t n, const C* max, C beta, C* lanes,
                            double* sums);

  /// The same, and moments = the sum of x exp(x), x = beta (z - max), over the block. What is
  /// impossible or less likely than the smallest normal number counts as that number.
  void (*lane_sum_moments)(const E* z, std::size_t n, const C* max, C beta, C* lanes, double* sums,
                           double* moments);

  /// Sum of exp(beta (z - max)) over the z[i] of one block with low < z[i] < high, != except.
  double (*sum_between)(const E* z, std::size_t n, C low, C high, C except, C max, C beta);

  /// No less than the sum of exp(beta (z - max)) over the z of some blocks with low < z < high, but
  /// for rounding, from their lanes alone: the weights of those whose largest z is above low,
  /// without the largest itself where it is not below high.
  /// @param largest [blocks, kLanes], as from lane_max
  /// @param weights [blocks, kLanes], as from lane_sum_tempered
  /// @param scales  [blocks], exp(beta (largest of the block - max))
  double (*sum_lanes_between)(const C* largest, const C* weights, const double* scales,
                              std::size_t blocks, C low, C high, C max, C beta);

  /// Adds to sums[0, 3): how many z of one block are possible, their sum and the sum of their
  /// squares, of z - max in double.
  void (*add_deviations)(const E* z, std::size_t n, double max, double* sums);

  /// z[0, n), by what is >= limit, which is finite.
  Parted<C> (*part)(const E* z, std::size_t n, C limit);

  /// out[i] = z[i] where low <= z[i] <= high, else -inf. In place is fine.
  void (*keep_between)(const E* z, std::size_t n, C low, C high, C* out);

  /// Bit i % 64 of word i / 64 is set if z[i] >= low, which is finite, for one block.
  /// @param words [kBlock / 64]
  void (*mark_from)(const E* z, std::size_t n, C low, std::uint64_t* words);
};

/// Those for this machine, of every format.
const ForElements<SamplerKernels>& sampler_kernels();

/// kernels::sampler_kernels<float>().mark_from(...)
template <class E>
const SamplerKernels<E>& sampler_kernels() {
  return std::get<SamplerKernels<E>>(sampler_kernels());
}

}  // namespace partita::kernels
