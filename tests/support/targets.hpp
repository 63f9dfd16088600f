// SPDX-License-Identifier: Apache-2.0
// SIMD kernels on each instruction set that this machine has.
#pragma once

#include <hwy/targets.h>

#include <cstdint>
#include <vector>

namespace partita::testing {

/// Runs the rest of its scope on one of the instruction sets that this machine and build have.
class OnTarget {
 public:
  explicit OnTarget(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~OnTarget() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  OnTarget(const OnTarget&) = delete;
  OnTarget& operator=(const OnTarget&) = delete;
};

/// The instruction sets that this machine and build have, of the ones that differ.
inline std::vector<std::int64_t> targets() {
  std::vector<std::int64_t> result;
  const std::int64_t supported = (hwy::SupportedTargets() | HWY_SCALAR) & HWY_TARGETS;
  for (const std::int64_t target : {HWY_SCALAR,
#ifdef HWY_SSE2  // since Highway 1.0.5
                                    HWY_SSE2,
#endif
                                    HWY_SSSE3, HWY_SSE4, HWY_AVX2, HWY_AVX3, HWY_NEON}) {
    if ((supported & target) != 0) result.push_back(target);
  }
  return result;
}

}  // namespace partita::testing
