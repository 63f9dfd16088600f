// Turns words of 64 random bits into draws with SIMD, for fill.cpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::kernels {

/// Kernels take multiples of this many words.
inline constexpr std::size_t kWordStep = 16;

void uniform_from_words(const std::uint64_t* words, std::size_t n, float* out);
void uniform_from_words(const std::uint64_t* words, std::size_t n, double* out);
void exponential_from_words(const std::uint64_t* words, std::size_t n, float* out);
void exponential_from_words(const std::uint64_t* words, std::size_t n, double* out);
void gumbel_from_words(const std::uint64_t* words, std::size_t n, float* out);
void gumbel_from_words(const std::uint64_t* words, std::size_t n, double* out);
void logistic_from_words(const std::uint64_t* words, std::size_t n, float* out);
void logistic_from_words(const std::uint64_t* words, std::size_t n, double* out);

/// out[2i], out[2i + 1] = the normal pair made from radii[i] and angles[i], i < n.
void normal_from_words(const std::uint64_t* radii, const std::uint64_t* angles, std::size_t n,
                       float* out);
void normal_from_words(const std::uint64_t* radii, const std::uint64_t* angles, std::size_t n,
                       double* out);

/// The squeeze of Marsaglia and Tsang (2000) accepts if u < 1 - 0.0331 x^4.
inline constexpr double kGammaSqueeze = 0.0331;

/// Logarithms of draws of Gamma(concentration[i]), or of Gamma(concentration[i] + 1) if the
/// concentration is below 1, from normals and uniforms; NaN where the squeeze does not accept or
/// the concentration is not in [0, 1e300].
void log_gamma_from_draws(const double* concentration, const double* normals,
                          const double* uniforms, std::size_t n, double* out);

}  // namespace partita::kernels
