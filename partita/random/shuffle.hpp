// SPDX-License-Identifier: Apache-2.0
// A random order.
//
//   std::vector<std::size_t> order(n);
//   std::iota(order.begin(), order.end(), std::size_t{0});
//   partita::shuffle(order, {.seed = 1});
#pragma once

#include <algorithm>
#include <iterator>
#include <ranges>

#include "partita/random/stream.hpp"

namespace partita {

/// Permutes the items, every order equally likely, by the Fisher-Yates shuffle in Durstenfeld's
/// form (Durstenfeld 1964, "Algorithm 235: random permutation"). Reads one position of the stream
/// for each item but the last.
template <std::ranges::random_access_range Items>
void shuffle(Items&& items, const Stream& stream) {
  using Difference = std::ranges::range_difference_t<Items>;
  const auto first = std::ranges::begin(items);
  Draws draws(stream);
  for (Difference left = std::ranges::distance(items); left > 1; --left) {
    // Rounded, the product may reach `left`.
    const auto chosen = static_cast<Difference>(draws.uniform() * static_cast<double>(left));
    std::ranges::iter_swap(first + (left - 1), first + std::min(chosen, left - 1));
  }
}

}  // namespace partita
