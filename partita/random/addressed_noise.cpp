// SPDX-License-Identifier: Apache-2.0
#include "partita/random/addressed_noise.hpp"

#include <cmath>

#include "partita/random/internal/philox.hpp"

namespace partita {

namespace {

std::array<std::uint32_t, 2> halves(std::uint64_t word) {
  return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32U)};
}

}  // namespace

AddressedNoise::AddressedNoise(const Stream& address) {
  const auto words = philox(address, kNoiseKeyBlock);
  key_ = halves(words[0]);
  counter_ = halves(words[1]);
}

std::uint16_t AddressedNoise::prefix(std::uint32_t category) const {
  const auto words = philox(key_, {category / 8, 0, counter_[0], counter_[1]});
  return static_cast<std::uint16_t>(words[category % 8 / 2] >> 16 * (category % 2));
}

std::uint64_t AddressedNoise::bits(std::uint32_t category) const {
  const auto rest = philox(key_, {category, 1, counter_[0], counter_[1]});
  return std::uint64_t{prefix(category)} << 48U | std::uint64_t{rest[0]} << 16U | rest[1] >> 16U;
}

double AddressedNoise::gumbel(std::uint32_t category) const {
  return -std::log(exponential(category));
}

}  // namespace partita
