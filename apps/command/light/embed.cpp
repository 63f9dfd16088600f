// SPDX-License-Identifier: Apache-2.0
// partita embed: word vectors.
#include "apps/command/light/embed.hpp"

#include <cstdint>
#include <limits>

#include "apps/command/options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"

namespace partita::app {

WordVectors VectorsInput::load() const {
  WordVectors vectors = load_word_vectors(path, options);
  for (const std::string& line : vectors.notes) note("partita: warning: " + line);
  return vectors;
}

void add_vectors(CLI::App& app, VectorsInput& input) {
  app.add_option("VECTORS", input.path,
                 "word vectors: text of word2vec, fastText or GloVe, word2vec's binary, or .npy; "
                 "gzip or not; - for standard input")
      ->option_text("FILE")
      ->required();
  app.add_option("--limit", input.options.limit, "read only the first N words (all)")
      ->option_text("N")
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()));
  add_choice(app, "--encoding-errors", input.options.encoding_errors,
             names<EncodingErrors>({{"strict", EncodingErrors::strict},
                                    {"replace", EncodingErrors::replace},
                                    {"ignore", EncodingErrors::ignore}}),
             "a word that is not UTF-8, as one cut within a character: strict: refuse the file; "
             "replace: by U+FFFD; ignore: leave the bytes out (strict)");
}

void add_embed(CLI::App& app) {
  auto* command = app.add_subcommand("embed", "Train and inspect word vectors");
  command->require_subcommand(1);
  add_embed_train(*command);
  add_embed_eval(*command);
  add_embed_nearest(*command);
  add_embed_map(*command);
  add_embed_convert(*command);
}

}  // namespace partita::app
