// SPDX-License-Identifier: Apache-2.0
// Internal to partita/noise: the outcome of a tournament, for watermark.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace partita {

/// Replaces the distribution p of a candidate by that of the winner of a tournament of 2^layers
/// independent ones, of which candidate x has bit l of bits[x] in round l:
///   p(x) <- p(x) (1 + g(x) - sum_y p(y) g(y)),  once for each layer
/// (Dathathri et al. 2024, supplement: two candidates a match, g of 0 and 1).
inline void play_tournament(std::span<double> p, std::span<const std::uint64_t> bits, int layers) {
  for (int layer = 0; layer < layers; ++layer) {
    // A number, since a coin cannot be predicted by a branch.
    const auto g = [&](std::size_t x) {
      return static_cast<double>(static_cast<int>(bits[x] >> layer & 1U));
    };
    double zeros = 0;  // the share of candidates whose bit is 0: 1 - sum_y p(y) g(y)
    for (std::size_t x = 0; x < p.size(); ++x) zeros += p[x] * (1 - g(x));
    for (std::size_t x = 0; x < p.size(); ++x) p[x] *= zeros + g(x);
  }
}

}  // namespace partita
