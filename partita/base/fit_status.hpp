// SPDX-License-Identifier: Apache-2.0
// How the search for the most likely parameters ended: there may be none.
#pragma once

#include <cstdint>
#include <string_view>

namespace partita {

/// How a fit ended.
enum class FitStatus : std::uint8_t {
  converged,
  /// Every label has its row's largest logit: the likelihood keeps rising as T goes to 0.
  zero_temperature,
  /// On average the labels' logits are no larger than their rows': it rises as T goes to infinity.
  infinite_temperature,
  /// All logits of a row are equal, in every row: T changes nothing.
  undetermined,
  /// The maximum of the likelihood lies at infinity (vector and matrix scaling).
  not_attained,
  iteration_limit
};

/// "converged", "zero-temperature", ...
std::string_view name_of(FitStatus status);

}  // namespace partita
