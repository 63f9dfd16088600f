// SPDX-License-Identifier: Apache-2.0
// A sample before it is drawn: what failed rows keep. Not installed.
#pragma once

#include <limits>

#include "partita/gumbel/gumbel_top_k.hpp"

namespace partita {

/// @param exact whether it has log_sum_exp and threshold
inline TopKSample unanswered(std::size_t rows, std::size_t k, bool exact = true) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  return {.rows = rows,
          .k = k,
          .indices = std::vector<std::int64_t>(rows * k, -1),
          .perturbed = std::vector<double>(rows * k, kNaN),
          .log_prob = std::vector<double>(rows * k, kNaN),
          .log_sum_exp = std::vector<double>(exact ? rows : 0, kNaN),
          .threshold = std::vector<double>(exact ? rows : 0, kNaN)};
}

}  // namespace partita
