// SPDX-License-Identifier: Apache-2.0
// partita embed convert: word vectors in another format.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "apps/command/light/embed.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

struct ConvertOptions {
  VectorsInput vectors;
  std::string output;
  CommonOptions common;
};

void run(const ConvertOptions& options) {
  check_word_vectors_path(options.output);
  const WordVectors vectors = options.vectors.load();
  try {
    save_word_vectors(options.output, vectors.words, vectors.rows());
  } catch (const InvalidArgument& error) {
    throw DataError(options.vectors.path, fmt::format("{}, which the format of {} does not allow",
                                                      error.reason(), options.output));
  }
  if (options.common.json) {
    print_json({{"vectors", options.output},
                {"words", vectors.words.size()},
                {"dim", vectors.dim},
                {"notes", vectors.notes}});
  } else {
    note(fmt::format("wrote {}: {} x {}", options.output, counted(vectors.words.size(), "word"),
                     vectors.dim));
  }
}

}  // namespace

void add_embed_convert(CLI::App& embed) {
  auto* command = embed.add_subcommand("convert", "Write word vectors in another format");
  auto options = std::make_shared<ConvertOptions>();
  add_vectors(*command, options->vectors);
  add_common(*command, options->common);
  add_output(*command, options->output, "the vectors: .txt, .vec, .bin (as word2vec's) or .npy",
             {".txt", ".vec", ".bin", ".npy"})
      ->required();
  command->footer(
      "Example:\n"
      "  partita embed convert glove.6B.100d.txt.gz -o glove.bin\n"
      "\n"
      "--seed and --threads change nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
