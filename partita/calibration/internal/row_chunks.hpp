// SPDX-License-Identifier: Apache-2.0
// Sums over rows that do not depend on the number of threads: rows are summed in chunks of a fixed
// size, and the chunks in their order. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "partita/base/parallel.hpp"

namespace partita {

/// add(row, sum) adds a row's share to a Sum, which starts at zero; Sums are added with +=.
/// @param add   each thread has a copy of it, and so of the memory that it holds from row to row
/// @param chunk rows that are summed one after the other
template <class Sum, class Add>
Sum sum_over_rows(std::size_t rows, int threads, const Add& add, const Sum& zero = {},
                  std::size_t chunk = 256) {
  const std::size_t chunks = (rows + chunk - 1) / chunk;
  std::vector<Sum> sums(chunks, zero);
  parallel_for(chunks, threads, [&](std::size_t first, std::size_t last) {
    Add own(add);
    for (std::size_t c = first; c < last; ++c) {
      Sum sum = zero;
      for (std::size_t row = c * chunk; row < std::min(rows, (c + 1) * chunk); ++row) own(row, sum);
      sums[c] = std::move(sum);
    }
  });
  Sum total = zero;
  for (const Sum& sum : sums) total += sum;
  return total;
}

}  // namespace partita
