// SPDX-License-Identifier: Apache-2.0
// A sequence model is whatever returns logits for the next token of a batch of prefixes. Searches
// (ancestral.hpp, beam.hpp, stochastic_beam.hpp, unique.hpp) know nothing else about it.
//
//   partita::CallableModel coin(3, /*end_token=*/2, [](std::span<const partita::Token> prefix) {
//     const double end = static_cast<double>(prefix.size()) - 3;
//     return std::vector<double>{0.0, 1.0, end};  // the longer, the likelier the end
//   });
//   auto three = partita::stochastic_beam_search(coin, {}, 3, {.seed = 1});
//
// A stateless model (a callable, an n-gram) reads the prefixes. An incremental one keeps what it
// computed for them (a key-value cache, an LSTM's hidden state) in a DecodingState and reads only
// what is new. What a search guarantees about a state:
//
//   first call      any prefixes (prompts), one per row; read them from the beginning
//   between calls   reorder(rows) once: row i now continues what row rows[i] was
//   later calls     as many prefixes as rows, each longer by one token: read the last token
//
// TorchScript: derive from SequenceModel and from DecodingState; the state holds the cache tensors,
//   reorder() is cache.index_select(batch_dimension, rows), and next_logits() runs the module on
//   the tokens it has not seen and copies its last-step logits into `logits` (torch::from_blob on
//   logits.data(), kFloat, {n, V}, with logits_dtype() f32).
// llama.cpp: partita/llama/llama_model.hpp. The state owns a llama_context of as many sequences as
//   rows; reorder() is llama_memory_seq_cp and llama_memory_seq_rm, next_logits() one llama_decode
//   of the new tokens, whose llama_get_logits_ith() it copies.
//
// Searches promise results that depend on neither the batch nor k. That presumes logits that depend
// on their prefix alone, not on what else is in the batch: up to rounding, results then agree up to
// rounding; with fused attention or half precision, which round as the batch falls, they may not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

using Token = std::int32_t;
using Sequence = std::vector<Token>;

/// What an incremental model remembers of the prefixes of one search.
class DecodingState {
 public:
  DecodingState() = default;
  DecodingState(const DecodingState&) = delete;
  DecodingState& operator=(const DecodingState&) = delete;
  virtual ~DecodingState() = default;

  /// Row i of the new state continues row rows[i] of the old one. Rows may be repeated and dropped,
  /// so there may be fewer or more than before.
  virtual void reorder(std::span<const std::size_t> rows) = 0;
};

class SequenceModel {
 public:
  SequenceModel() = default;
  SequenceModel(const SequenceModel&) = default;
  SequenceModel(SequenceModel&&) = default;
  SequenceModel& operator=(const SequenceModel&) = default;
  SequenceModel& operator=(SequenceModel&&) = default;
  virtual ~SequenceModel() = default;

  /// Tokens are 0 ... vocabulary_size() - 1.
  virtual std::size_t vocabulary_size() const = 0;

  /// The token that ends a sequence, or -1 if only the maximum length does.
  virtual Token end_token() const = 0;

  /// The format in which next_logits() writes: f64 (the default), or f32, for a large vocabulary:
  /// half the memory, and probabilities to single precision (1e-6).
  virtual DType logits_dtype() const { return DType::f64; }

  /// The most prefixes that a state can hold: no search gives more in one call.
  virtual std::size_t most_prefixes() const { return std::numeric_limits<std::size_t>::max(); }

  /// A state for the prefixes of one search; null (the default) for a stateless model.
  virtual std::unique_ptr<DecodingState> start() const { return nullptr; }

  /// Writes the logits of the token that follows each prefix: any real numbers, -inf for a token
  /// that cannot come. They need not be normalized.
  /// @param prefixes never hold the end token, unless a prompt does.
  /// @param state what start() returned, kept up to date as described above; or null.
  /// @param logits   [prefixes.size(), vocabulary_size()], contiguous, of logits_dtype():
  ///                 double* row = logits.row_data<double>(i).
  /// Called from several threads at once, each with its own state, if SearchOptions::threads > 1.
  virtual void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                           MutableRows logits) const = 0;
};

/// A C++ function of one prefix as a stateless SequenceModel.
class CallableModel final : public SequenceModel {
 public:
  using Function = std::function<std::vector<double>(std::span<const Token> prefix)>;

  /// @throws InvalidArgument if vocabulary_size is 0, end_token is neither -1 nor a token, or there
  ///         is no function; next_logits() throws it if the function returns another size.
  CallableModel(std::size_t vocabulary_size, Token end_token, Function function);

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  Token end_token() const override { return end_token_; }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

 private:
  std::size_t vocabulary_size_;
  Token end_token_;
  Function function_;
};

}  // namespace partita
