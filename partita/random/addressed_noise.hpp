// SPDX-License-Identifier: Apache-2.0
// Noise with an address: one number for each category at (seed, stream, position), a function that
// anybody can recompute.
//
//   partita::AddressedNoise noise(partita::Stream{.seed = 1, .id = 7}.child(position));
//   double g = noise.gumbel(42);          // the standard Gumbel of category 42
//   std::uint64_t b = noise.bits(42);     // the 64 bits it is made of
//
// Two programs that share an address share the noise of all categories, whatever logits they add to
// it and however few of the categories they look at. docs/noise.md specifies every bit of it, for
// other languages; noise_vectors.tsv has test vectors.
//
// The bits are Philox4x32-10 (Salmon et al., SC 2011), which SIMD computes faster than the streams'
// own Philox4x64-10, under a key of 128 bits: the first two words a, b of the stream's block 2^62 +
// 1, which holds no position. With the key (a mod 2^32, a div 2^32), the counter (i div 8, 0, b mod
// 2^32, b div 2^32) has the upper 16 bits of the 64 of eight categories, those of category i in the
// lower (i even) or upper half of word (i mod 8) div 2. The first 48 bits of counter (i, 1, b mod
// 2^32, b div 2^32) are the rest. Where only the largest noise matters, the prefixes of 16 bits
// alone rule out all but a few (gumbel/addressed.hpp), yet all 64 bits are there for both tails.
//
// Addresses that differ share no noise, except with probability 2^-128 a pair. A seed can be a
// secret as far as Philox cannot be inverted, which nobody has proved: it is made for statistics,
// not for cryptography.
#pragma once

#include <array>
#include <cstdint>

#include "partita/random/stream.hpp"

namespace partita {

class AddressedNoise {
 public:
  explicit AddressedNoise(const Stream& address);

  /// The 64 bits of a category.
  std::uint64_t bits(std::uint32_t category) const;

  /// The upper 16 of them.
  std::uint16_t prefix(std::uint32_t category) const;

  /// Standard exponential: exponential_from_bits().
  double exponential(std::uint32_t category) const { return exponential_from_bits(bits(category)); }

  /// Standard Gumbel, -log of that exponential: between -3.81 and 45.1, never infinite.
  double gumbel(std::uint32_t category) const;

  /// Philox4x32's key, and the upper two words of its counter.
  const std::array<std::uint32_t, 2>& key() const { return key_; }
  const std::array<std::uint32_t, 2>& counter() const { return counter_; }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> counter_;
};

}  // namespace partita
