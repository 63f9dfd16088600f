// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/rank_exchange.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>

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

/// Adds what all ranks together have changed of `count` floats, and keeps what this one has changed
/// of them since it was sent.
void move_on(const float* changed, const float* sent, std::size_t count, float* before,
             float* now) {
  for (std::size_t i = 0; i < count; ++i) {
    before[i] += changed[i];
    now[i] = before[i] + (now[i] - sent[i]);  // the bits of `before` where nothing has changed
  }
}

}  // namespace

RankExchange::RankExchange(EmbeddingWeights& weights, Group& group)
    : weights_(weights), group_(group), before_(copy_of(weights)) {}

std::size_t RankExchange::words_after(std::uint64_t round) const {
  const std::size_t all = weights_.inputs.rows();
  std::size_t words = kOften;
  for (; round % 2 == 0 && words < all; round /= 2) words *= 2;
  return std::min(words, all);
}

double RankExchange::rate(int ranks) { return std::pow(std::min(ranks, 8), 0.7); }

void RankExchange::exchange(std::size_t words) {
  begin_exchange(words);
  finish();
}

void RankExchange::begin_exchange(std::size_t words) {
  finish();
  for (std::size_t first = kBlock; first < words; first += kBlock) {
    send(first, std::min(kBlock, words - first));
    finish();
  }
  send(0, std::min(kBlock, words));
}

/// Gives the others the rank's own changes of each word: of its input row, its output row and its
/// bias, in the bits of doubles.
void RankExchange::send(std::size_t first, std::size_t words) {
  const std::size_t dim = weights_.inputs.columns();
  const std::size_t floats = floats_of_word(weights_);
  sent_.first = first;
  sent_.words = words;
  sent_.rows.resize(words * floats);
  std::vector<double> message((words * floats + 1) / 2);
  auto* out = reinterpret_cast<char*>(message.data());
  std::vector<float> changed(floats);
  for (std::size_t word = first; word < first + words; ++word) {
    float* const now = sent_.rows.data() + (word - first) * floats;
    std::copy_n(weights_.inputs.row(word), dim, now);
    std::copy_n(weights_.outputs.row(word), dim, now + dim);
    now[2 * dim] = weights_.biases[word];
    std::transform(now, now + dim, before_.inputs.row(word), changed.begin(), std::minus<>());
    std::transform(now + dim, now + 2 * dim, before_.outputs.row(word), changed.data() + dim,
                   std::minus<>());
    changed.back() = now[2 * dim] - before_.biases[word];
    std::memcpy(out, changed.data(), floats * sizeof(float));
    out += floats * sizeof(float);
  }
  sent_.messages = std::async(std::launch::async,
                              [this, own = std::move(message)] { return group_.all_gather(own); });
}

void RankExchange::finish() {
  if (sent_.messages.valid()) combine(sent_.messages.get());
}

/// Combines the changes of all ranks' messages about the words that were sent.
void RankExchange::combine(const std::vector<double>& messages) {
  const std::size_t dim = weights_.inputs.columns();
  const std::size_t stride = weights_.inputs.stride();
  const std::size_t floats = floats_of_word(weights_);
  const auto ranks = static_cast<std::size_t>(group_.size());
  // `count` floats of a rank's message about a word, from `from` on.
  const auto read = [&](std::size_t rank, std::size_t word, std::size_t from, std::size_t count,
                        float* to) {
    const auto* const message =
        reinterpret_cast<const char*>(messages.data() + rank * (messages.size() / ranks));
    const std::size_t at = (word - sent_.first) * floats + from;
    std::memcpy(to, message + at * sizeof(float), count * sizeof(float));
  };
  WeightMatrix rows(ranks, dim);
  std::vector<float> biases(ranks);
  std::vector<RowChange> changes(ranks);
  for (std::size_t word = sent_.first; word < sent_.first + sent_.words; ++word) {
    const float* const sent = sent_.rows.data() + (word - sent_.first) * floats;
    for (const bool is_output : {false, true}) {
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        read(rank, word, is_output ? dim : 0, dim, rows.row(rank));
        if (is_output) read(rank, word, 2 * dim, 1, &biases[rank]);
        changes[rank] = {rows.row(rank), is_output ? &biases[rank] : nullptr};
      }
      adaptive_sum(stride, changes);
      move_on(rows.row(0), sent + (is_output ? dim : 0), dim,
              (is_output ? before_.outputs : before_.inputs).row(word),
              (is_output ? weights_.outputs : weights_.inputs).row(word));
    }
    move_on(biases.data(), sent + 2 * dim, 1, &before_.biases[word], &weights_.biases[word]);
  }
}

}  // namespace partita
