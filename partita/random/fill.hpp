// SPDX-License-Identifier: Apache-2.0
// Many random numbers at once: the draws at consecutive positions of a stream, computed with SIMD.
//
//   std::vector<float> noise(1 << 20);
//   partita::fill_gumbel({.seed = 1}, 0, noise);       // noise[i] is stream.gumbel(i), rounded
//
// Element i is the draw at position + i and does not depend on what else is filled with it: a range
// may be split among threads in any way. It is computed from the same 64 bits as the Stream's own
// draw, even in single precision, so both tails are complete: a float exponential is as small as
// 2.7e-20, a float Gumbel as large as 45.1. All machines give the same bits, whatever the width of
// their vectors. The errors below are relative to exact arithmetic on those 64 bits, in
// units of T's epsilon (2^-23, 2^-52).
#pragma once

#include <cstdint>
#include <span>

#include "partita/random/stream.hpp"

namespace partita {

/// Uniform on (0, 1): stream.uniform() exactly, or the nearest float below 1.
void fill_uniform(const Stream& stream, std::uint64_t position, std::span<float> out);
void fill_uniform(const Stream& stream, std::uint64_t position, std::span<double> out);

/// Exponential of rate 1; relative error at most 1.1 epsilon.
void fill_exponential(const Stream& stream, std::uint64_t position, std::span<float> out);
void fill_exponential(const Stream& stream, std::uint64_t position, std::span<double> out);

/// Standard normal; relative error at most 2 epsilon.
void fill_normal(const Stream& stream, std::uint64_t position, std::span<float> out);
void fill_normal(const Stream& stream, std::uint64_t position, std::span<double> out);

/// Standard Gumbel; error at most 1.5 epsilon times the larger of 1 and |x|.
void fill_gumbel(const Stream& stream, std::uint64_t position, std::span<float> out);
void fill_gumbel(const Stream& stream, std::uint64_t position, std::span<double> out);

/// Standard logistic; error at most 1.7 epsilon times the larger of 1 and |x|.
void fill_logistic(const Stream& stream, std::uint64_t position, std::span<float> out);
void fill_logistic(const Stream& stream, std::uint64_t position, std::span<double> out);

}  // namespace partita
