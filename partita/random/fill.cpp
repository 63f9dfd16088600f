// SPDX-License-Identifier: Apache-2.0
#include "partita/random/fill.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "partita/random/internal/fill_kernels.hpp"
#include "partita/random/internal/philox.hpp"

namespace partita {

namespace {

/// Words made at a time: they and what becomes of them stay in the nearest cache.
constexpr std::size_t kChunk = 512;
constexpr std::size_t kStep = 2 * kernels::kWordStep;

/// Runs kernel(words, n, out) over the words from `position` on, n a multiple of kStep.
template <class T>
void fill(const Stream& stream, std::uint64_t position, std::span<T> out,
          typename kernels::WordKernels<T>::Map kernel) {
  std::array<std::uint64_t, kChunk> words;
  std::array<T, kChunk> draws;
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t first = position + done;
    const std::size_t skip = first % 4;
    const std::size_t count = std::min(kChunk - skip, out.size() - done);
    const std::size_t made = (skip + count + 3) / 4 * 4;
    for (std::size_t i = 0; i < made; i += 4) {
      const auto [a, b, c, d] = philox(stream, (first + i) / 4);
      words[i] = a;
      words[i + 1] = b;
      words[i + 2] = c;
      words[i + 3] = d;
    }
    const std::size_t n = (made + kStep - 1) / kStep * kStep;
    std::fill(&words[made], words.data() + n, 0);
    if (n == count) {
      kernel(words.data(), n, &out[done]);
    } else {
      kernel(words.data(), n, draws.data());
      std::copy_n(&draws[skip], count, &out[done]);
    }
    done += count;
  }
}

/// The words at even positions make the radii of normal pairs, the others their angles.
template <class T>
void normal_pairs(const std::uint64_t* words, std::size_t n, T* out) {
  std::array<std::uint64_t, kChunk / 2> radii;
  std::array<std::uint64_t, kChunk / 2> angles;
  for (std::size_t i = 0; i < n / 2; ++i) {
    radii[i] = words[2 * i];
    angles[i] = words[2 * i + 1];
  }
  kernels::from_words<T>().normal(radii.data(), angles.data(), n / 2, out);
}

}  // namespace

void fill_uniform(const Stream& stream, std::uint64_t position, std::span<float> out) {
  fill(stream, position, out, kernels::from_words<float>().uniform);
}
void fill_uniform(const Stream& stream, std::uint64_t position, std::span<double> out) {
  fill(stream, position, out, kernels::from_words<double>().uniform);
}

void fill_exponential(const Stream& stream, std::uint64_t position, std::span<float> out) {
  fill(stream, position, out, kernels::from_words<float>().exponential);
}
void fill_exponential(const Stream& stream, std::uint64_t position, std::span<double> out) {
  fill(stream, position, out, kernels::from_words<double>().exponential);
}

void fill_normal(const Stream& stream, std::uint64_t position, std::span<float> out) {
  fill(stream, position, out, normal_pairs<float>);
}
void fill_normal(const Stream& stream, std::uint64_t position, std::span<double> out) {
  fill(stream, position, out, normal_pairs<double>);
}

void fill_gumbel(const Stream& stream, std::uint64_t position, std::span<float> out) {
  fill(stream, position, out, kernels::from_words<float>().gumbel);
}
void fill_gumbel(const Stream& stream, std::uint64_t position, std::span<double> out) {
  fill(stream, position, out, kernels::from_words<double>().gumbel);
}

void fill_logistic(const Stream& stream, std::uint64_t position, std::span<float> out) {
  fill(stream, position, out, kernels::from_words<float>().logistic);
}
void fill_logistic(const Stream& stream, std::uint64_t position, std::span<double> out) {
  fill(stream, position, out, kernels::from_words<double>().logistic);
}

}  // namespace partita
