// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/rank_exchange.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "partita/embedding/internal/row_copies.hpp"

namespace partita {
namespace {

constexpr std::size_t kBlock = 4096;  // words in a message

EmbeddingWeights copy_of(const EmbeddingWeights& weights) {
  EmbeddingWeights copy{{weights.inputs.rows(), weights.inputs.columns()},
                        {weights.outputs.rows(), weights.outputs.columns()},
                        weights.biases};
  std::ranges::copy(weights.inputs.elements(), copy.inputs.elements().begin());
  std::ranges::copy(weights.outputs.elements(), copy.outputs.elements().begin());
  return copy;
}

std::size_t floats_of_word(const EmbeddingWeights& weights) {
  return 2 * weights.inputs.columns() + 1;
}

}  // namespace

RankExchange::RankExchange(EmbeddingWeights& weights, Group& group)
    : weights_(weights), group_(group), before_(copy_of(weights)) {}

std::size_t RankExchange::words_after(std::uint64_t round) const {
  const std::size_t all = weights_.inputs.rows();
  std::size_t words = kOften;
  const std::uint64_t seldom = group_.size() > 2 ? 1 : 4;
  if (round % seldom != 0) return std::min(words, all);
  for (round /= seldom; round % 2 == 0 && words < all; round /= 2) words *= 2;
  return std::min(words, all);
}

double RankExchange::rate(int ranks) { return std::pow(std::max(1.0, ranks / 2.0), 0.3); }

void RankExchange::exchange(std::size_t words) {
  for (std::size_t first = 0; first < words; first += kBlock) {
    const std::size_t block = std::min(kBlock, words - first);
    combine(first, block, group_.all_gather(message(first, block)));
  }
}

/// The rank's own changes of each word: of its input row, its output row and its bias, in the bits
/// of doubles.
std::vector<double> RankExchange::message(std::size_t first, std::size_t words) const {
  const std::size_t dim = weights_.inputs.columns();
  const std::size_t floats = floats_of_word(weights_);
  std::vector<double> numbers((words * floats + 1) / 2);
  auto* out = reinterpret_cast<char*>(numbers.data());
  std::vector<float> changed(floats);
  for (std::size_t word = first; word < first + words; ++word) {
    std::transform(weights_.inputs.row(word), weights_.inputs.row(word) + dim,
                   before_.inputs.row(word), changed.begin(), std::minus<>());
    std::transform(weights_.outputs.row(word), weights_.outputs.row(word) + dim,
                   before_.outputs.row(word), changed.data() + dim, std::minus<>());
    changed.back() = weights_.biases[word] - before_.biases[word];
    std::memcpy(out, changed.data(), floats * sizeof(float));
    out += floats * sizeof(float);
  }
  return numbers;
}

/// Combines the changes of all ranks' messages about these words.
void RankExchange::combine(std::size_t first, std::size_t words,
                           const std::vector<double>& messages) {
  const std::size_t dim = weights_.inputs.columns();
  const std::size_t stride = weights_.inputs.stride();
  const auto ranks = static_cast<std::size_t>(group_.size());
  // `count` floats of a rank's message about a word, from `from` on.
  const auto read = [&](std::size_t rank, std::size_t word, std::size_t from, std::size_t count,
                        float* to) {
    const auto* const message =
        reinterpret_cast<const char*>(messages.data() + rank * (messages.size() / ranks));
    const std::size_t at = (word - first) * floats_of_word(weights_) + from;
    std::memcpy(to, message + at * sizeof(float), count * sizeof(float));
  };
  const std::size_t adaptive = ranks > 2 ? kAdaptive : kOften;
  WeightMatrix rows(ranks, dim);
  std::vector<float> biases(ranks);
  std::vector<RowChange> changes(ranks);
  for (std::size_t word = first; word < first + words; ++word) {
    for (const bool is_output : {false, true}) {
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        read(rank, word, is_output ? dim : 0, dim, rows.row(rank));
        if (is_output) read(rank, word, 2 * dim, 1, &biases[rank]);
        changes[rank] = {rows.row(rank), is_output ? &biases[rank] : nullptr};
      }
      if (word < adaptive) {
        adaptive_sum(stride, changes);
      } else {
        for (std::size_t rank = 1; rank < ranks; ++rank) {
          kernels::add_scaled(stride, 1, rows.row(rank), rows.row(0));
          if (is_output) biases[0] += biases[rank];
        }
      }
      float* const before = (is_output ? before_.outputs : before_.inputs).row(word);
      kernels::add_scaled(stride, 1, rows.row(0), before);
      std::copy_n(before, dim, (is_output ? weights_.outputs : weights_.inputs).row(word));
    }
    before_.biases[word] += biases[0];
    weights_.biases[word] = before_.biases[word];
  }
}

}  // namespace partita
