// A character n-gram model: the probability of the next character given the n - 1 before it,
// counted in a text and interpolated with the shorter contexts (Witten-Bell). It learns a word list
// in a second, and is a real sequence model to search over.
//
//   std::vector<std::string> words = ...;                       // one sequence a line, UTF-8
//   partita::NgramModel model = partita::train_ngram(words, {.order = 6});
//   model.save("words.model");
//
//   auto loaded = partita::NgramModel::load("words.model");     // damaged file: DataError
//   auto beam = partita::stochastic_beam_search(loaded, 25, {.seed = 1});
//   std::cout << loaded.decode(beam.sequences[0].tokens) << '\n';
//
// With c(h) how often context h was followed by anything and T(h) by how many different tokens,
//
//   P(w | h) = (c(hw) + T(h) P(w | h')) / (c(h) + T(h)),    h' = h without its oldest character,
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

namespace partita {

struct NgramTable;  // ngram_table.hpp

/// Immutable; copies share the counts. Stateless and safe to use from many threads.
class NgramModel final : public SequenceModel {
 public:
  /// @throws IoError if the file cannot be read; DataError, with the reason, if it is not a model
  /// of
  ///         this version, whole and undamaged.
  static NgramModel load(const std::filesystem::path& path);
  /// Writes a file that load() reads. The same model gives the same bytes.
  void save(const std::filesystem::path& path) const;

  /// The bytes of a model file, and back. `name` stands for the path in a DataError.
  std::string serialize() const;
  static NgramModel parse(std::string_view bytes, std::string_view name = "n-gram model");

  /// Characters by code point, and the end token last.
  std::size_t vocabulary_size() const override;
  Token end_token() const override;
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

  /// The n of n-gram: contexts hold up to n - 1 characters.
  int order() const;

  /// The tokens of a text in UTF-8, without the end token.
  /// @throws InvalidArgument if it is not UTF-8, or holds a character that the model never saw.
  Sequence encode(std::string_view text) const;
  /// The text of tokens, none of which is the end token.
  std::string decode(std::span<const Token> tokens) const;

  /// log P(text, end). -inf if it holds a character that the model never saw.
  /// @throws InvalidArgument if it is not UTF-8.
  double log_prob(std::string_view text) const;
  /// exp(-mean log-probability of a token), ends included, over the lines; +inf if any line has
  /// probability 0. @throws InvalidArgument if there is no line, or one is not UTF-8.
  double perplexity(std::span<const std::string> lines) const;

  explicit NgramModel(std::shared_ptr<const NgramTable> table) : table_(std::move(table)) {}

 private:
  std::shared_ptr<const NgramTable> table_;
};

struct NgramOptions {
  int order = 6;  ///< 1 ... 16
};

/// Counts the n-grams of the lines. An empty line is a sequence that ends at once.
/// @throws InvalidArgument if there are no lines, one is not UTF-8 (named by its number), or the
/// order
///         is out of range.
NgramModel train_ngram(std::span<const std::string> lines, const NgramOptions& options = {},
                       const Progress& progress = {});

}  // namespace partita
