// SPDX-License-Identifier: Apache-2.0
// Stochastic beam search over a model whose vocabulary is split over the ranks of a group
// (columns.hpp): k distinct sequences, exactly, the same on every rank.
//
//   class Mine : public partita::SplitSequenceModel { ... };   // computes its own columns' logits
//   const partita::SplitColumns columns(250'000, group);
//   const Mine model(columns);
//   const auto beam = partita::stochastic_beam_search(model, {}, 25, stream, columns);
//
// All ranks ask their models about the same prefixes at every step. Each draws the k largest
// perturbed log-probabilities of its columns after each prefix, and these travel, O(k) numbers a
// prefix (gumbel_top_k.hpp). Moved so that the largest is that of the prefix, they are its
// children's.
#pragma once

#include <memory>
#include <span>

#include "partita/search/stochastic_beam.hpp"
#include "partita/split/columns.hpp"

namespace partita {

/// Part of a sequence model (search/sequence_model.hpp): the logits of the columns that a rank has.
class SplitSequenceModel {
 public:
  SplitSequenceModel() = default;
  SplitSequenceModel(const SplitSequenceModel&) = default;
  SplitSequenceModel(SplitSequenceModel&&) = default;
  SplitSequenceModel& operator=(const SplitSequenceModel&) = default;
  SplitSequenceModel& operator=(SplitSequenceModel&&) = default;
  virtual ~SplitSequenceModel() = default;

  // As of a whole model.
  virtual Token end_token() const = 0;
  virtual DType logits_dtype() const { return DType::f64; }
  virtual std::unique_ptr<DecodingState> start() const { return nullptr; }

  /// @param own [prefixes.size(), columns.size()], contiguous, of logits_dtype(): the logits of the
  ///            tokens columns.first() ... columns.last() - 1. The rest as of a whole model.
  virtual void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                           MutableRows own) const = 0;
};

/// As stochastic_beam_search() of a whole model, and its distribution, but not its draws: these are
/// a function of the logits, the stream and the number of shards.
/// @param options without a filter; threads divide the prefixes of a step
/// @throws InvalidArgument as the other; on every rank if the logits of one are NaN or +inf, or
///         everything is impossible after a prefix.
StochasticBeam stochastic_beam_search(const SplitSequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SplitColumns& columns,
                                      const SearchOptions& options = {});

}  // namespace partita
