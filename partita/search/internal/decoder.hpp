// SPDX-License-Identifier: Apache-2.0
// Internal to partita/search: calls a model step by step, checking and filtering its logits; and
// divides many searches into batches.
//
//   Decoder decoder(model, options);
//   MutableRows logits = decoder.next(prefixes);
//   ...                                           // choose a token for some of the rows
//   decoder.reorder(parents);                     // before next() is called again
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/search/search.hpp"

namespace partita {

class Decoder {
 public:
  Decoder(const SequenceModel& model, const SearchOptions& options)
      : model_(&model), filter_(options.filter), state_(model.start()) {}

  /// Whether the model keeps what it has read of prefixes.
  bool has_state() const { return state_ != nullptr; }

  /// The logits after each prefix, as the model gives them (f64 or f32), or filtered (f64): valid
  /// until the next call.
  /// @throws InvalidArgument if the model gives a row with NaN, +inf or only -inf, or logits in
  ///         another format.
  Rows next(std::span<const Sequence> prefixes);

  void reorder(std::span<const std::size_t> rows) {
    if (state_) state_->reorder(rows);
  }

 private:
  template <class T>
  Rows ask(std::span<const Sequence> prefixes, std::vector<T>& buffer);

  const SequenceModel* model_;
  SamplerSettings filter_;
  std::unique_ptr<DecodingState> state_;
  std::vector<double> doubles_;
  std::vector<float> floats_;
};

/// @throws InvalidArgument naming the option or prompt token that is out of range.
void check_search(const SequenceModel& model, const SearchOptions& options);
/// @throws InvalidArgument if a step of the filter is random or has a state.
void check_unsteered(const SamplerSettings& filter);
/// @throws InvalidArgument if k is 0, or more than the prefixes that the model can hold.
void check_width(const SequenceModel& model, std::size_t k);
void check_prompt(const SequenceModel& model, std::span<const Token> prompt);

/// The most tokens that a sequence may have, including its prompt's.
inline std::size_t longest_with(std::size_t prompt, const SearchOptions& options) {
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  return options.max_length > most - prompt ? most : prompt + options.max_length;
}

/// How many of the jobs (searches, samples) that need `rows_per_job` rows each go into one batch.
std::size_t jobs_per_batch(const SequenceModel& model, const SearchOptions& options,
                           std::size_t rows_per_job);

/// Divides [0, jobs) into batches and calls body(first, last) on each, several at once if
/// options.threads asks for it.
template <class Body>
void for_each_batch(const SequenceModel& model, const SearchOptions& options, std::size_t jobs,
                    std::size_t rows_per_job, const Body& body) {
  const std::size_t size = jobs_per_batch(model, options, rows_per_job);
  // Without this, few jobs would sit in one batch and leave the other threads idle.
  const auto threads = static_cast<std::size_t>(options.threads);
  const std::size_t share = std::clamp<std::size_t>((jobs + threads - 1) / threads, 1, size);
  const std::size_t batches = (jobs + share - 1) / share;
  parallel_for(batches, options.threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t batch = first; batch < last; ++batch) {
      body(batch * share, std::min(jobs, (batch + 1) * share));
    }
  });
}

}  // namespace partita
