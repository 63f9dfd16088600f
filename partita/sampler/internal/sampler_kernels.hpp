// The SIMD kernels of the sampler, on blocks as in softmax/internal/kernels.hpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "partita/softmax/internal/kernels.hpp"

namespace partita::kernels {

/// For each of the consecutive blocks that z[0, n) is made of: lanes[l] = sum over lane l of
/// exp(beta (z - max)), sum = the sum_lanes() of those; all 0 where max is -inf. Terms as in
/// lane_sum_exp, with another rounding of beta (z - max).
/// @param max  [blocks], none less than a z of its block
/// @param sums [blocks]
void lane_sum_tempered(const float* z, std::size_t n, const float* max, float beta, float* lanes,
                       double* sums);
void lane_sum_tempered(const double* z, std::size_t n, const double* max, double beta,
                       double* lanes, double* sums);

/// The same, and moments = the sum of x exp(x), x = beta (z - max), over the block. What is
/// impossible or less likely than the smallest normal number counts as that number.
void lane_sum_moments(const float* z, std::size_t n, const float* max, float beta, float* lanes,
                      double* sums, double* moments);
void lane_sum_moments(const double* z, std::size_t n, const double* max, double beta, double* lanes,
                      double* sums, double* moments);

/// Sum of exp(beta (z - max)) over the z[i] of one block with low < z[i] < high.
double sum_between(const float* z, std::size_t n, float low, float high, float max, float beta);
double sum_between(const double* z, std::size_t n, double low, double high, double max,
                   double beta);

/// Adds to sums: how many z of one block are possible, their sum and the sum of their squares, of d
/// = z - max in double.
void add_deviations(const float* z, std::size_t n, double max, double (&sums)[3]);
void add_deviations(const double* z, std::size_t n, double max, double (&sums)[3]);

/// Bit i % 64 of word i / 64 is set if z[i] >= low, for one block.
/// @param words [kBlock / 64]
void mark_from(const float* z, std::size_t n, float low, std::uint64_t* words);
void mark_from(const double* z, std::size_t n, double low, std::uint64_t* words);

}  // namespace partita::kernels
