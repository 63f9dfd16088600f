// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/rank_exchange.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "partita/base/float16.hpp"
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

/// Keeps `count` floats as they are now, and says what has changed of them.
void note(const float* now, const float* before, std::size_t count, float* sent,
          bfloat16* changed) {
  for (std::size_t i = 0; i < count; ++i) {
    sent[i] = now[i];
    changed[i] = bfloat16(now[i] - before[i]);
  }
}

}  // namespace

RankExchange::RankExchange(EmbeddingWeights& weights, Group& group)
    : weights_(weights), group_(group), before_(copy_of(weights)) {
  for (std::size_t words = kOften; words < weights.inputs.rows(); words *= 2) period_ *= 2;
}

std::vector<WordId> RankExchange::words_after(std::uint64_t round) const {
  const std::size_t all = weights_.inputs.rows();
  std::vector<WordId> words(std::min(kOften, all));
  std::iota(words.begin(), words.end(), WordId{0});
  for (std::uint64_t turns = 2; turns < period_; turns *= 2) {
    const std::size_t first = (turns + round % turns) * (kOften / 2);
    for (std::size_t i = first; i < first + kOften / 2; ++i) {
      words.push_back(static_cast<WordId>(i));
    }
  }
  return words;
}

double RankExchange::rate(int ranks) { return std::pow(std::min(ranks, 8), 0.7); }

void RankExchange::exchange_all() {
  const std::size_t all = weights_.inputs.rows();
  for (std::size_t first = 0; first < all; first += kBlock) {
    std::vector<WordId> words(std::min(kBlock, all - first));
    std::iota(words.begin(), words.end(), static_cast<WordId>(first));
    begin_exchange(std::move(words));
  }
  finish();
}

void RankExchange::begin_exchange(std::vector<WordId> words) {
  finish();
  const std::size_t dim = weights_.inputs.columns();
  const std::size_t floats = floats_of_word(weights_);
  sent_.words = std::move(words);
  sent_.rows.resize(sent_.words.size() * floats);
  sent_.message.resize((sent_.words.size() * floats + 3) / 4);
  auto* message = reinterpret_cast<char*>(sent_.message.data());
  std::vector<bfloat16> changed(floats);
  for (std::size_t i = 0; i < sent_.words.size(); ++i) {
    const WordId word = sent_.words[i];
    float* const sent = sent_.rows.data() + i * floats;
    note(weights_.inputs.row(word), before_.inputs.row(word), dim, sent, changed.data());
    note(weights_.outputs.row(word), before_.outputs.row(word), dim, sent + dim,
         changed.data() + dim);
    note(&weights_.biases[word], &before_.biases[word], 1, sent + 2 * dim, &changed.back());
    std::memcpy(message, changed.data(), floats * sizeof(bfloat16));
    message += floats * sizeof(bfloat16);
  }
  sent_.messages =
      std::async(std::launch::async, [this] { return group_.all_gather(sent_.message); });
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
  WeightMatrix rows(ranks, dim);
  std::vector<float> biases(ranks);
  std::vector<RowChange> changes(ranks);
  std::vector<bfloat16> message(ranks * floats);  // about a word
  for (std::size_t i = 0; i < sent_.words.size(); ++i) {
    const WordId word = sent_.words[i];
    const float* const sent = sent_.rows.data() + i * floats;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const auto* const all =
          reinterpret_cast<const char*>(messages.data() + rank * sent_.message.size());
      std::memcpy(&message[rank * floats], all + i * floats * sizeof(bfloat16),
                  floats * sizeof(bfloat16));
    }
    for (const bool is_output : {false, true}) {
      const std::size_t at = is_output ? dim : 0;
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        std::copy_n(&message[rank * floats + at], dim, rows.row(rank));
        if (is_output) biases[rank] = message[rank * floats + 2 * dim];
        changes[rank] = {rows.row(rank), is_output ? &biases[rank] : nullptr};
      }
      adaptive_sum(stride, changes);
      move_on(rows.row(0), sent + at, dim, (is_output ? before_.outputs : before_.inputs).row(word),
              (is_output ? weights_.outputs : weights_.inputs).row(word));
    }
    move_on(biases.data(), sent + 2 * dim, 1, &before_.biases[word], &weights_.biases[word]);
  }
}

}  // namespace partita
