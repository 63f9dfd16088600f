// How many threads of the core a pass over logits takes.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace partita {

/// How many threads the core may use for the work of one pass over so many logits: torch's number,
/// or one where a second would take longer to start than the first to finish.
inline int threads_for(std::int64_t logits) {
  constexpr std::int64_t kAlone = 1'000'000;
  return logits > kAlone ? at::get_num_threads() : 1;
}

}  // namespace partita
