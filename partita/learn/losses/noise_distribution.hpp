// SPDX-License-Identifier: Apache-2.0
// The distribution from which the sampled losses draw their noise: uniform, unigram^alpha, or the
// caller's own weights.
//
//   const auto noise = losses::NoiseDistribution::unigram(counts, 0.75);   // counts of V words
//   Tensor words = noise.draw({64, 25}, Stream{seed, step});               // int64 [64, 25]
//   Tensor log_q = noise.log_prob(words, at::kFloat);
//
// A draw takes constant time, by an alias table (partita/random/alias_table.hpp), and log q is the
// logarithm of exactly the probability with which words are drawn.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/random/alias_table.hpp"

namespace partita::losses {

class NoiseDistribution {
 public:
  /// q(w) = weights[w] / sum of weights.
  /// @param weights finite and >= 0, at least one > 0. Categories of weight 0 are never drawn.
  /// @throws InvalidArgument naming the first invalid weight, or if all are 0.
  explicit NoiseDistribution(std::span<const double> weights);

  /// q(w) = 1 / categories. @throws InvalidArgument if categories < 1.
  static NoiseDistribution uniform(std::int64_t categories);

  /// q(w) in proportion to counts[w]^alpha: alpha = 0.75 is word2vec's (Mikolov et al. 2013), 1 the
  /// unigram distribution itself, 0 uniform over the words with a count.
  /// @throws InvalidArgument if alpha is not finite or if all counts are 0.
  static NoiseDistribution unigram(std::span<const std::uint64_t> counts, double alpha = 0.75);

  /// q(w) = log((w + 2) / (w + 1)) / log(V + 1): nearly Zipf's law, for words sorted by frequency
  /// whose counts are not known (TensorFlow's log-uniform sampler).
  /// @throws InvalidArgument if categories < 1.
  static NoiseDistribution log_uniform(std::int64_t categories);

  /// V, the number of categories.
  std::int64_t size() const { return static_cast<std::int64_t>(table_->size()); }

  /// Categories, int64 of `shape` on the CPU. From a stream, element i (in row-major order) depends
  /// on the stream and on i alone: the first rows of a larger batch are those of a smaller one.
  Tensor draw(IntArrayRef shape, const Random& random) const;

  /// log q of each category, in the shape and on the device of `categories`, of type `dtype`.
  /// @param categories int64, each in [0, V).
  Tensor log_prob(const Tensor& categories, at::ScalarType dtype) const;

  /// log (k q) likewise, rounded once: exactly 0 for uniform noise with k = V.
  Tensor log_expected_count(const Tensor& categories, std::int64_t k, at::ScalarType dtype) const;

 private:
  std::shared_ptr<const AliasTable> table_;
  Tensor log_prob_;  // [V] in double, the table's own memory
};

}  // namespace partita::losses
