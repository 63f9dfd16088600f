// SPDX-License-Identifier: Apache-2.0
// Rows of 16-bit floating-point numbers to float and back, in vectors. Not installed.
#pragma once

#include <cstddef>

#include "partita/base/float16.hpp"

namespace partita::kernels {

/// Exact, for any n.
void widen(const bfloat16* in, std::size_t n, float* out);
void widen(const float16* in, std::size_t n, float* out);

/// Rounded to nearest, ties to even, for any n.
void narrow(const float* in, std::size_t n, bfloat16* out);
void narrow(const float* in, std::size_t n, float16* out);

/// in * scale, finite, rounded likewise.
void scale_and_narrow(const float* in, std::size_t n, float scale, bfloat16* out);

}  // namespace partita::kernels
