// SPDX-License-Identifier: Apache-2.0
// The block functions of streams and of addressed noise, for loops that need them inlined. Not
// installed.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cstdint>

#include "partita/random/stream.hpp"

namespace partita {

inline std::array<std::uint64_t, 4> philox(const Stream& stream, std::uint64_t block) {
  const r123::Philox4x64::ctr_type counter = {
      {block, stream.path[0], stream.path[1], stream.path[2]}};
  const r123::Philox4x64::key_type key = {{stream.seed, stream.id}};
  const auto out = r123::Philox4x64()(counter, key);
  return {out[0], out[1], out[2], out[3]};
}

/// Philox4x32-10.
inline std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 2>& key,
                                           const std::array<std::uint32_t, 4>& counter) {
  const auto out =
      r123::Philox4x32()({{counter[0], counter[1], counter[2], counter[3]}}, {{key[0], key[1]}});
  return {out[0], out[1], out[2], out[3]};
}

/// Blocks of a stream from here on hold no position.
inline constexpr std::uint64_t kNewKeyBlock = std::uint64_t{1} << 62U;  // the key of a child
inline constexpr std::uint64_t kNoiseKeyBlock = kNewKeyBlock + 1;       // of addressed noise

}  // namespace partita
