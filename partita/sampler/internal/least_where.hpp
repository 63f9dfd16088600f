// SPDX-License-Identifier: Apache-2.0
// Where a predicate of logits begins to hold. Not installed.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>

namespace partita::sampler {

/// The least finite logit <= max for which `holds` is true, if it is true of max and of all that is
/// larger than one it is true of; else max.
template <class T, class Predicate>
T least_where(T max, const Predicate& holds) {
  // By halves, of the integers that have the order of T.
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  const auto flip = [](Bits bits) {
    return bits < 0 ? std::numeric_limits<Bits>::max() ^ bits : bits;
  };
  const auto value = [&](Bits order) { return std::bit_cast<T>(flip(order)); };
  Bits low = flip(std::bit_cast<Bits>(-std::numeric_limits<T>::infinity()));
  Bits high = flip(std::bit_cast<Bits>(max));
  for (Bits middle = std::midpoint(low, high); middle != low; middle = std::midpoint(low, high)) {
    (holds(value(middle)) ? high : low) = middle;
  }
  return value(high);
}

}  // namespace partita::sampler
