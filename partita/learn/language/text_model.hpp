// SPDX-License-Identifier: Apache-2.0
// A neural language model with the units of its text: what `partita lm train` writes and
// `partita generate` reads.
//
//   TextModel model = TextModel::load("words.model");
//   NeuralSequenceModel sequences = model.sequences();
//   auto beam = stochastic_beam_search(sequences, {}, 25, {.seed = 1});
//   model.units.decode(beam.sequences[0].tokens);
//
//   TextModel fresh = TextModel::make(units, LstmOptions{.dim = 256, .layers = 2}, {.seed = 1});
//   train(fresh, lines, losses::FullSoftmaxLoss(), {.seed = 2}, {.epochs = 5});
//   fresh.save("words.model");
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "partita/learn/language/language_model.hpp"
#include "partita/learn/language/neural_sequence_model.hpp"
#include "partita/text/text_units.hpp"

namespace partita::language {

/// Which network, and its sizes.
using NetworkOptions = std::variant<LstmOptions, TransformerOptions>;

struct TextModel {
  /// The kind of its archive.
  static constexpr std::string_view kArchive = "language-model";

  TextUnits units;
  NetworkOptions options;
  std::shared_ptr<LanguageModel> network;

  /// An untrained network, whose vocabulary is that of the units, whatever `options` says.
  static TextModel make(TextUnits units, NetworkOptions options, const Random& random);

  /// @throws IoError, DataError
  static TextModel load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;

  /// The bytes of a model file, and back. `name` stands for the path in a DataError.
  std::string serialize() const;
  static TextModel parse(std::string_view bytes, std::string_view name = "language model");

  /// A line starts where the previous one ended.
  NeuralSequenceModel sequences() const { return {network, units.end_token()}; }
};

}  // namespace partita::language
