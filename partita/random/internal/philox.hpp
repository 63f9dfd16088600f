// SPDX-License-Identifier: Apache-2.0
// The block function of every stream, for loops that need it inlined. Not installed.
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

}  // namespace partita
