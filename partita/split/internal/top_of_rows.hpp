// SPDX-License-Identifier: Apache-2.0
// Internal to partita/split: the largest perturbed log-probabilities of rows whose columns are
// split. gumbel_top_k() returns them; stochastic_beam_search() merges those of several rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/split/columns.hpp"
#include "partita/split/internal/shard_parts.hpp"

namespace partita::split {

/// A category with its perturbed log-probability: of its shard in a message, where it is four
/// numbers, and later of its row.
struct Perturbed {
  static constexpr std::size_t kNumbers = 4;

  double perturbed = -std::numeric_limits<double>::infinity();
  std::size_t shard = 0;
  std::int64_t index = -1;  ///< -1: nobody has asked which
  double logit = -std::numeric_limits<double>::infinity();
};

/// Of one row, the same on every rank.
struct TopOfRow {
  Normalizer normalizer;
  /// Descending, at most k; fewer if no more are possible.
  std::vector<Perturbed> largest;
  /// The perturbed log-probability of the next; -inf if there is none.
  double next = -std::numeric_limits<double>::infinity();
};

class TopOfRows {
 public:
  /// Draws, and exchanges: every rank calls it with its own columns of the same rows.
  TopOfRows(Rows own, std::size_t k, const Streams& streams, const SplitColumns& columns,
            int threads);

  /// @throws InvalidArgument if the row has NaN, +inf or nothing that is possible.
  void read(std::size_t row, TopOfRow& out) const;

 private:
  std::size_t k_;
  Messages messages_;
};

}  // namespace partita::split
