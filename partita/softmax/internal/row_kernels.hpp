// SPDX-License-Identifier: Apache-2.0
// The kernels that read a row as it stands, in any format and of any length. Blocks and lanes are
// those of kernels.hpp, and results are the same, bit for bit, as from the row converted to float.
// Not installed.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include "partita/base/float16.hpp"
#include "partita/softmax/internal/kernels.hpp"

namespace partita::kernels {

/// What logits of E are computed in.
template <class E>
using Computed = std::conditional_t<std::is_same_v<E, double>, double, float>;

/// One of something for each format of elements.
template <template <class> class Kernels>
using ForElements =
    std::tuple<Kernels<float>, Kernels<double>, Kernels<bfloat16>, Kernels<float16>>;

/// The kernels for elements E: float, double, bfloat16 or float16.
template <class E>
struct RowKernels {
  using C = Computed<E>;

  /// For each of the consecutive blocks that make up z[0, n): lanes[l] = the largest z of lane l,
  /// largest = the largest of all. Returns false if some z is NaN or +inf (or, rarely, if finite
  /// logits overflow when they are added up).
  /// @param lanes   [blocks, kLanes]
  /// @param largest [blocks]
  bool (*lane_max)(const E* z, std::size_t n, C* lanes, C* largest);

  /// The same, and second[l] = the second largest z of lane l (the largest again if it occurs
  /// twice); -inf if there is only one.
  /// @param second [blocks, kLanes]
  bool (*lane_top_two)(const E* z, std::size_t n, C* lanes, C* second, C* largest);

  /// For each block: lanes[l] = sum over lane l of exp(z - max), sum = the sum_lanes() of those;
  /// all 0 where max is -inf. A term x = z - max has a relative error of up to |x| / 2 ulp: small
  /// in the sum, since the term itself is e^x. Terms under the smallest normal number count as 0.
  /// @param max  [blocks], none less than a z of its block
  /// @param sums [blocks]
  void (*lane_sum_exp)(const E* z, std::size_t n, const C* max, C* lanes, double* sums);

  /// Kernels::exp_lifted with terms as in lane_sum_exp, for results that are rounded to 16 bits.
  /// @param out has room for round_up(n, kStep)
  double (*exp_lifted_for_sum)(const E* z, std::size_t n, C max, C* out);

  /// out[i] = (z[i] - max) - c. In place is fine.
  void (*subtract)(const E* z, std::size_t n, C max, C c, C* out);
};

/// Those for this machine, of every format.
const ForElements<RowKernels>& row_kernels();

/// kernels::row_kernels<float>().lane_max(...)
template <class E>
const RowKernels<E>& row_kernels() {
  return std::get<RowKernels<E>>(row_kernels());
}

}  // namespace partita::kernels
