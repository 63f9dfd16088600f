// SPDX-License-Identifier: Apache-2.0
// The rows of logits that the benchmarks draw from: flat, normal, and following Zipf's law.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace partita::benchmark {

struct LogitShape {
  const char* name;
  at::Tensor (*make)(std::int64_t rows, std::int64_t v);
};

template <int sigma>
at::Tensor normal_logits(std::int64_t rows, std::int64_t v) {
  return at::randn({rows, v}) * sigma;
}

inline constexpr LogitShape kFlat = {"flat", [](std::int64_t rows, std::int64_t v) {
                                       return at::zeros({rows, v});
                                     }};
inline constexpr LogitShape kNormal1 = {"normal, 1", normal_logits<1>};
inline constexpr LogitShape kNormal3 = {"normal, 3", normal_logits<3>};
inline constexpr LogitShape kNormal5 = {"normal, 5", normal_logits<5>};
/// As n-grams of words have them: 12 likely ones, and thousands that tie.
inline constexpr LogitShape kCrowded = {
    "crowded", [](std::int64_t rows, std::int64_t v) {
      const at::Tensor rank = at::rand({rows, v}).argsort(std::int64_t{1}, false).to(at::kFloat);
      const at::Tensor crowd = -9 - (rank * 4 / static_cast<double>(v)).floor() * 0.75;
      return at::where(rank < 12, -1 - rank * 0.3, crowd);
    }};
/// Zipf's law with noise, the tokens in order of frequency, as most vocabularies have them.
inline constexpr LogitShape kByFrequency = {
    "by frequency", [](std::int64_t rows, std::int64_t v) {
      return at::randn({rows, v}) - at::arange(1, v + 1).to(at::kFloat).log();
    }};
/// -log rank, the ranks in random order.
inline constexpr LogitShape kZipf = {"Zipf", [](std::int64_t rows, std::int64_t v) {
                                       return at::rand({rows, v})
                                           .argsort(std::int64_t{1}, false)
                                           .to(at::kFloat)
                                           .add_(1)
                                           .log_()
                                           .neg_();
                                     }};

}  // namespace partita::benchmark
