// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/internal/categorical_kernels.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "partita/gumbel/internal/categorical_kernels.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for every target
// must come after foreach_target
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace partita::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<double, kLanes>;

/// The last of kCount running sums that is not above `target`, from which that sum is subtracted.
/// The first sum is 0.
template <std::size_t kCount>
HWY_INLINE std::size_t Choose(const double* starts, const LevelTotal& total, double& target) {
  const D d;
  target = std::min(target * total.scale, total.largest_target);
  const auto t = hn::Set(d, target);
  std::size_t reached = 0;
  for (std::size_t i = 0; i < kCount; i += hn::Lanes(d)) {
    reached += hn::CountTrue(d, hn::Le(hn::LoadU(d, starts + i), t));
  }
  target -= starts[reached - 1];
  return reached - 1;
}

void ChooseCategories(const CategoryTables& tables, const double* uniforms, std::size_t n,
                      std::int64_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    double target = std::min(uniforms[i] * tables.total.scale, tables.total.largest_target);
    std::size_t block = 0;
    for (std::size_t half = tables.blocks / 2; half > 0; half /= 2) {
      block = tables.block_starts[block + half] <= target ? block + half : block;
    }
    target -= tables.block_starts[block];
    const std::size_t lane =
        Choose<kLanes>(tables.lane_starts + block * kLanes, tables.lane_totals[block], target);
    const std::size_t cell = block * kLanes + lane;
    const std::size_t place =
        Choose<kCell>(tables.cell_starts + cell * kCell, tables.cell_totals[cell], target);
    out[i] = static_cast<std::int64_t>(block * kBlock + place * kLanes + lane);
  }
}

}  // namespace
}  // namespace partita::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace partita::kernels {

HWY_EXPORT(ChooseCategories);

void choose_categories(const CategoryTables& tables, const double* uniforms, std::size_t n,
                       std::int64_t* out) {
  HWY_DYNAMIC_DISPATCH(ChooseCategories)(tables, uniforms, n, out);
}

}  // namespace partita::kernels
#endif
