// SPDX-License-Identifier: Apache-2.0
// An n-gram model of characters, words or SentencePiece's pieces: the probability of the next token
// given the n - 1 before it, counted in a text and interpolated with the shorter contexts
// (Witten-Bell). It learns a word list in a second, and is a real sequence model to search over.
//
//   std::vector<std::string> words = ...;                       // one sequence per line, UTF-8
//   auto units = partita::TextUnits::learn(partita::UnitKind::character, words);
//   partita::NgramModel model = partita::train_ngram(units, words, {.order = 6});
//   model.save("words.model");
//
//   auto loaded = partita::NgramModel::load("words.model");     // damaged file: DataError
//   auto beam = partita::stochastic_beam_search(loaded, {}, 25, {.seed = 1});
//   std::cout << loaded.units().decode(beam.sequences[0].tokens) << '\n';
//
// With c(h) the number of times that context h was followed by anything, and T(h) the number of
// distinct tokens that followed it,
//
//   P(w | h) = (c(hw) + T(h) P(w | h')) / (c(h) + T(h)),    h' = h without its oldest token,
//
// down to P(w) = 1 / V (Witten, Bell 1991; Chen, Goodman 1999, eq. 13 and 14). Every token has some
// probability in every context, and each context's probabilities sum to 1. The start of a line is
// part of the context; its end is a token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/search/sequence_model.hpp"
#include "partita/text/text_units.hpp"

namespace partita {

struct NgramTable;  // ngram_table.hpp

/// Immutable; copies share the counts. Stateless and safe to use from many threads.
class NgramModel final : public SequenceModel {
 public:
  /// @throws IoError if the file cannot be read; DataError, with the reason, if it is not a model
  ///         of this version, whole and undamaged.
  static NgramModel load(const std::filesystem::path& path);
  /// Writes a file that load() reads. The same model gives the same bytes.
  void save(const std::filesystem::path& path) const;

  /// The bytes of a model file, and back. `name` stands for the path in a DataError.
  std::string serialize() const;
  static NgramModel parse(std::string_view bytes, std::string_view name = "n-gram model");

  /// The units' vocabulary size.
  std::size_t vocabulary_size() const override;
  Token end_token() const override;
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

  /// The n of n-gram: contexts hold up to n - 1 tokens.
  int order() const;

  /// Converts between text and tokens.
  const TextUnits& units() const { return units_; }

  /// log P(text, end). @throws InvalidArgument as TextUnits::encode.
  double log_prob(std::string_view text) const;
  /// exp(-mean log-probability per token), including ends, over the lines.
  /// @throws InvalidArgument if there is no line, or as TextUnits::encode.
  double perplexity(std::span<const std::string> lines) const;

  NgramModel(TextUnits units, std::shared_ptr<const NgramTable> table)
      : units_(std::move(units)), table_(std::move(table)) {}

 private:
  TextUnits units_;
  std::shared_ptr<const NgramTable> table_;
};

struct NgramOptions {
  int order = 6;  ///< 1 ... 16
};

/// Counts the n-grams of the lines. A line without tokens is a sequence that ends at once.
/// @param units what the lines are cut into; they may have been learned from other lines.
/// @throws InvalidArgument if there are no lines, the units cannot encode one (named by its
///         number), or the order is out of range.
NgramModel train_ngram(TextUnits units, std::span<const std::string> lines,
                       const NgramOptions& options = {}, const Progress& progress = {});

}  // namespace partita
