// SPDX-License-Identifier: Apache-2.0
// Reveals the perturbed logits of one row, phi_i + G_i, from the largest down, one at a time and
// lazily: the engine of gumbel_top_k, and of stochastic beam search.
//
//   partita::TopDown top_down;                        // keeps its memory from row to row
//   auto normalizer = top_down.reset(row);            // one pass over the logits
//   top_down.start(stream);                           // perturbed log-probabilities
//   while (auto item = top_down.next()) use(item->index, item->perturbed);
//
// Given the value of the largest (in stochastic beam search, the parent's):
//
//   top_down.start(stream, {.location = phi, .maximum = parent_gumbel});
//   auto first = top_down.next();                     // first->perturbed == parent_gumbel
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

class TopDown {
 public:
  struct Item {
    std::int64_t index;  ///< category
    /// location + log-probability (bounded: logit) + Gumbel noise; never larger than the previous.
    double perturbed;
    double logit;  ///< the row's own
  };

  struct Start {
    double location = 0;  ///< added to every log-probability (bounded: logit)
    /// The value of the largest, if given rather than drawn.
    double maximum = std::numeric_limits<double>::infinity();
    std::uint64_t position = 0;  ///< first position read in the stream, a multiple of 4
  };

  enum class Weights : std::uint8_t {
    exact,    ///< reset() sums exponentials; draws are of log-probabilities
    bounded,  ///< reset() only finds maxima (the cost of an arg max), next() thins by rejection;
              ///< draws are of logits
  };

  TopDown();
  ~TopDown();
  TopDown(TopDown&&) noexcept;
  TopDown& operator=(TopDown&&) noexcept;

  /// Takes one row of `logits`, which must outlive the next() calls. Returns what makes
  /// log-probabilities of its logits (exact), or {0, 0} (bounded).
  /// @throws InvalidArgument if the row holds NaN or +inf, or only -inf.
  Normalizer reset(Rows logits, std::size_t row = 0, Weights weights = Weights::exact);

  /// Begins the draws; once after each reset().
  void start(Stream stream, const Start& start);
  void start(Stream stream) { start(stream, Start{}); }

  /// The next category in descending order of perturbed logit; nothing when every possible
  /// category has been returned.
  std::optional<Item> next();

  /// The perturbed logit that the next call of next() would return, without choosing its category;
  /// -inf when none is left. Weights::exact only.
  double peek();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace partita
