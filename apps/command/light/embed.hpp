// SPDX-License-Identifier: Apache-2.0
// The commands of `partita embed`, each in a file of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "partita/io/word_vectors.hpp"

namespace partita::app {

/// What all but train read.
struct VectorsInput {
  std::string path;
  WordVectorOptions options;

  /// Notes what is odd about the file. @throws IoError, DataError
  WordVectors load() const;
};

/// VECTORS, --limit, --encoding-errors
void add_vectors(CLI::App& app, VectorsInput& input);

void add_embed_train(CLI::App& embed);
void add_embed_eval(CLI::App& embed);
void add_embed_nearest(CLI::App& embed);
void add_embed_map(CLI::App& embed);
void add_embed_convert(CLI::App& embed);

}  // namespace partita::app
