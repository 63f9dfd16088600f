// SPDX-License-Identifier: Apache-2.0
// Parallel work that says how far it is. Not installed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "partita/base/parallel.hpp"
#include "partita/base/progress.hpp"

namespace partita {

/// parallel_for(n, threads, body), in slices between which `progress`, unless it is empty, hears
/// how many are done. For a body whose result does not depend on how [0, n) is split.
template <class Body>
void parallel_for(std::size_t n, int threads, const Progress& progress, std::string_view unit,
                  const Body& body) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLeast = std::chrono::milliseconds(100);  // between two updates
  std::size_t slice = progress ? static_cast<std::size_t>(std::max(1, threads)) : n;
  std::size_t done = 0;
  do {
    const auto begin = Clock::now();
    const std::size_t size = std::min(slice, n - done);
    parallel_for(size, threads,
                 [&](std::size_t first, std::size_t last) { body(done + first, done + last); });
    done += size;
    if (Clock::now() - begin < kLeast) slice *= 2;
    if (progress) progress({.done = done, .total = n, .unit = unit});
  } while (done < n);
}

}  // namespace partita
