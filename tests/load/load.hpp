// SPDX-License-Identifier: Apache-2.0
// What the tests of load share: how long they run, and the memory of this process.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>

namespace partita::testing {

/// Seconds that ./dev load asks for; 0 in an ordinary run of the tests.
inline double load_seconds() {
  const char* const text = std::getenv("PARTITA_LOAD_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? 0 : std::strtod(text, nullptr);
}

/// Resident memory in bytes, from /proc/self/statm.
inline std::size_t resident() {
  std::size_t total = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace partita::testing
