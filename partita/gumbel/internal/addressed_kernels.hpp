// SPDX-License-Identifier: Apache-2.0
// The prefixes of addressed noise in SIMD, and the search through them for addressed.cpp. Not
// installed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "partita/random/addressed_noise.hpp"
#include "partita/softmax/internal/kernels.hpp"

namespace partita::kernels {

/// An upper bound of every Gumbel whose 64 bits begin with `prefix`: at most 0.12 above the
/// largest, where that is between 3 and 8.
///
/// -log(-log u) <= -log(1 - u), and 1 - u > (2^16 - 1 - prefix) / 2^16. Of the logarithm of that to
/// base 2, a float's own bits are a lower bound: log2(2^k (1 + m)) >= k + m.
inline double gumbel_bound(std::uint16_t prefix) {
  constexpr double kLn2 = 0.693147180559945309;
  const auto left = static_cast<float>(0xFFFF - prefix);  // 0 gives 99: more than any Gumbel
  return kLn2 * (16 + 127 - 0x1p-23 * std::bit_cast<std::int32_t>(left));
}

/// A block of a row, and the lanes of it (bit l is lane l) in which a category may reach a value.
struct Reached {
  std::size_t block;
  std::uint32_t lanes;
};

/// The first of the row's blocks from `block` on in which a category may reach `value`: for some
/// lane, largest logit + gumbel_bound(largest prefix) >= value. {blocks, 0} if there is none.
/// @param lanes [blocks, kLanes]: the largest logit of each lane.
template <class T>
Reached find_block(const AddressedNoise& noise, const T* lanes, std::size_t block,
                   std::size_t blocks, double value);

/// out[i] = noise.prefix(kBlock * block + i), i < kBlock.
void prefixes(const AddressedNoise& noise, std::size_t block, std::uint16_t* out);

}  // namespace partita::kernels
