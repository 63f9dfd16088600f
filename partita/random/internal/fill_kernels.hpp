// SPDX-License-Identifier: Apache-2.0
// Turns words of 64 random bits into draws with SIMD, for fill.cpp. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace partita::kernels {

/// Kernels take multiples of this many words.
inline constexpr std::size_t kWordStep = 16;

/// The kernels that make draws of T, float or double.
template <class T>
struct WordKernels {
  /// out[i] = the draw made of words[i], i < n.
  using Map = void (*)(const std::uint64_t* words, std::size_t n, T* out);
  Map uniform;
  Map exponential;
  Map gumbel;
  Map logistic;
  /// out[2i], out[2i + 1] = the normal pair made of radii[i] and angles[i], i < n.
  void (*normal)(const std::uint64_t* radii, const std::uint64_t* angles, std::size_t n, T* out);
};

/// Those for this machine: kernels::from_words<float>().uniform(...).
template <class T>
const WordKernels<T>& from_words();
template <>
const WordKernels<float>& from_words<float>();
template <>
const WordKernels<double>& from_words<double>();

/// The squeeze of Marsaglia and Tsang (2000) accepts if u < 1 - 0.0331 x^4.
inline constexpr double kGammaSqueeze = 0.0331;

/// Logarithms of draws of Gamma(concentration[i]), or of Gamma(concentration[i] + 1) if the
/// concentration is below 1, from normals and uniforms; NaN where the squeeze does not accept or
/// the concentration is not in [0, 1e300].
void log_gamma_from_draws(const double* concentration, const double* normals,
                          const double* uniforms, std::size_t n, double* out);

}  // namespace partita::kernels
