// SPDX-License-Identifier: Apache-2.0
// How many threads a pass over logits takes.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace partita {

/// The number of threads for the light library's pass over this many logits: torch's, or one where
/// a second would take longer to start than the first needs to finish.
inline int threads_for(std::int64_t logits) {
  constexpr std::int64_t kAlone = 1'000'000;
  return logits > kAlone ? at::get_num_threads() : 1;
}

}  // namespace partita
