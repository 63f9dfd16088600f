// SPDX-License-Identifier: Apache-2.0
// Deterministic training: parts of the corpus work on copies of the rows that they touch, and their
// changes are then added to the weights, whichever threads did the work. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "partita/embedding/internal/window_trainer.hpp"

namespace partita {

/// Copies of rows of one matrix, made when they are first asked for.
class RowCopies {
 public:
  /// @param most rows that will be asked for between two calls of clear()
  RowCopies(const WeightMatrix& shared, std::size_t most);

  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  /// The place of the row's copy, which is made if necessary.
  std::uint32_t make(WordId id);
  /// The same, or kNone.
  std::uint32_t find(WordId id) const { return place_[id]; }
  float* at(std::uint32_t place) { return copies_.row(place); }
  /// The rows copied, by place.
  const std::vector<WordId>& ids() const { return ids_; }

  /// Turns the copies into differences to the weights, which must not have changed since.
  void subtract_shared();
  void clear();

 private:
  const WeightMatrix* shared_;
  WeightMatrix copies_;
  std::vector<WordId> ids_;
  std::vector<std::uint32_t> place_;  // where each row's copy is
};

/// Copies of inputs, outputs and biases: a RowSource (see window_trainer.hpp).
class CopiedRows {
 public:
  CopiedRows(const EmbeddingWeights& weights, std::size_t most_inputs, std::size_t most_outputs)
      : weights_(&weights),
        inputs_(weights.inputs, most_inputs),
        outputs_(weights.outputs, most_outputs) {}

  float* input(WordId id) { return inputs_.at(inputs_.make(id)); }
  float* output(WordId id) { return outputs_.at(outputs_.make(id)); }
  float& bias(WordId id);
  void prefetch_input(WordId /*id*/) const {}
  void prefetch_output(WordId /*id*/) const {}

  void subtract_shared();
  void clear();

 private:
  friend void add_changes(std::span<CopiedRows> parts, EmbeddingWeights& weights,
                          std::size_t thread, std::size_t threads);

  const EmbeddingWeights* weights_;
  RowCopies inputs_;
  RowCopies outputs_;
  std::vector<float> biases_;  // those of the copied outputs
};

/// A change of one row, and of its bias if it has one.
struct RowChange {
  float* row;
  float* bias;
};

/// Several changes of one row as one, which takes the place of the first; the others are
/// overwritten. They are not summed, as they are not small: eight parts of a corpus that each move
/// a frequent word to where it belongs would together move it eight times as far. Two of them, a
/// and b, become
///
///   (1 - a.b / 2|a|^2) a + (1 - a.b / 2|b|^2) b,
///
/// the sum if they are orthogonal and the mean if they are equal; more changes are combined in
/// pairs, pairs of pairs and so on (Maleki et al. 2021, "Scaling distributed training with adaptive
/// summation").
void adaptive_sum(std::size_t stride, std::span<RowChange> changes);

/// Adds the parts' changes to the weights, by adaptive sums, for the rows with id % threads =
/// thread. Overwrites the parts' differences.
void add_changes(std::span<CopiedRows> parts, EmbeddingWeights& weights, std::size_t thread,
                 std::size_t threads);

}  // namespace partita
