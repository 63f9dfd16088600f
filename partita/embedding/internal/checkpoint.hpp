// SPDX-License-Identifier: Apache-2.0
// A training run as a file, from which it can continue to the same bits. Not installed.
//
//   u64   length of the archive that follows (io/archive.hpp): options, corpus, position, CRC-32 of
//         what follows it
//   ...   archive
//   ...   input rows, output rows (padding included), biases: float32, little-endian
#pragma once

#include <cstdint>
#include <filesystem>

#include "partita/base/group.hpp"
#include "partita/embedding/internal/window_trainer.hpp"
#include "partita/random/stream.hpp"

namespace partita {

/// How far training is; at first, no chunk of however many.
struct TrainingPosition {
  std::uint64_t next_chunk = 0;  ///< of each rank
  std::uint64_t chunks = 1;      ///< of each rank, in all epochs
  LossSum loss = {};
};

/// Writes without a second copy of the weights. @throws IoError
void save_checkpoint(const std::filesystem::path& path, const Corpus& corpus, const Stream& stream,
                     const EmbeddingOptions& options, const EmbeddingWeights& weights,
                     const TrainingPosition& position);

/// Reads into weights of the shape that corpus and options have.
/// @throws IoError; DataError if it is damaged, or from another corpus, stream or options: names
///         the first that differs
TrainingPosition load_checkpoint(const std::filesystem::path& path, const Corpus& corpus,
                                 const Stream& stream, const EmbeddingOptions& options,
                                 EmbeddingWeights& weights);

/// That all ranks are about to do the same. @throws InvalidArgument on every rank, naming the first
/// that differs
void check_same_on_all_ranks(const Corpus& corpus, const Stream& stream,
                             const EmbeddingOptions& options, const TrainingPosition& position,
                             Group& group);

}  // namespace partita
