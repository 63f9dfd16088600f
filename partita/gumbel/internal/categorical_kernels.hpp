// SPDX-License-Identifier: Apache-2.0
// Many categories at once, in SIMD: what categorical.cpp calls when it has tables. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "partita/softmax/internal/kernels.hpp"

namespace partita::kernels {

inline constexpr std::size_t kCell = kBlock / kLanes;  // logits per lane

/// The sum of the weights at one level, in the units of their own level.
struct LevelTotal {
  LevelTotal() = default;
  /// @param whole the same sum as recorded one level above, in that level's units.
  LevelTotal(double sum, double whole)
      : scale(whole > 0 ? sum / whole : 0), largest_target(sum * (1 - 0x1p-53)) {}

  double scale = 0;
  double largest_target = 0;  // below the sum: rounding never leads past the last weight > 0
};

/// The running sums of the weights of blocks, of lanes in each block, and of logits in each lane.
struct CategoryTables {
  const double* block_starts;  // [blocks], infinity after the last
  std::size_t blocks;          // a power of 2
  LevelTotal total;
  const double* lane_starts;  // [blocks, kLanes]
  const LevelTotal* lane_totals;
  const double* cell_starts;  // [blocks, kLanes, kCell], infinity after the last
  const LevelTotal* cell_totals;
};

/// out[i] = the column at which the weights cumulated in the order of (block, lane, logit) pass
/// uniforms[i].
void choose_categories(const CategoryTables& tables, const double* uniforms, std::size_t n,
                       std::int64_t* out);

}  // namespace partita::kernels
