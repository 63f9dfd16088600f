// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/neural.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/command/processes.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/device.hpp"
#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"
#include "partita/learn/language/text_training.hpp"
#include "partita/learn/language/torch_script_model.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"
#include "partita/text/sentence_pieces.hpp"

namespace partita::app {
namespace {

std::unique_ptr<losses::OutputLoss> loss_of(const LmTrainOptions& options, const TextUnits& units,
                                            const std::vector<std::string>& lines) {
  if (options.loss == LmLoss::full) return std::make_unique<losses::FullSoftmaxLoss>();
  if (options.loss == LmLoss::adaptive) return std::make_unique<losses::AdaptiveSoftmaxLoss>();
  const auto noise = losses::NoiseDistribution::unigram(language::token_counts(units, lines), 1);
  if (options.loss == LmLoss::nce) {
    return std::make_unique<losses::NceLoss>(
        noise, losses::NceOptions{.noise = options.noise, .shared_noise = true});
  }
  return std::make_unique<losses::SampledSoftmaxLoss>(
      noise, losses::SampledSoftmaxOptions{.noise = options.noise, .shared_noise = true});
}

language::NetworkOptions network_of(const LmTrainOptions& options, const TextUnits& units) {
  std::vector<std::int64_t> cutoffs;
  if (options.loss == LmLoss::adaptive) {
    cutoffs = options.cutoffs.empty()
                  ? losses::default_cutoffs(static_cast<std::int64_t>(units.size()))
                  : options.cutoffs;
  }
  if (options.kind == LmKind::lstm) {
    return language::LstmOptions{.dim = options.dim,
                                 .layers = options.layers == 0 ? 1 : options.layers,
                                 .dropout = options.dropout,
                                 .cutoffs = cutoffs};
  }
  return language::TransformerOptions{.dim = options.dim,
                                      .layers = options.layers == 0 ? 4 : options.layers,
                                      .heads = options.heads,
                                      .dropout = options.dropout,
                                      .cutoffs = cutoffs};
}

/// The children of the seed's stream.
enum class LmPurpose { weights, training };

/// What language::train() does not see of a run.
training::RunFacts facts_of(const LmTrainOptions& options) {
  training::RunFacts facts{{"loss", name_of(kLmLosses, options.loss)}};
  if (options.loss == LmLoss::nce || options.loss == LmLoss::sampled) {
    facts.add("noise", options.noise);
  }
  return facts;
}

/// The texts of a TorchScript module's tokens, one per line.
class TokenList {
 public:
  TokenList(const std::string& path, std::string_view bytes, bool words) : words_(words) {
    if (const auto bad = find_invalid_utf8(bytes)) {
      throw DataError(path, fmt::format("invalid UTF-8 at byte {}", *bad + 1));
    }
    for (std::string_view rest = bytes; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const auto [place, is_new] = index_.emplace(line, static_cast<Token>(tokens_.size()));
      if (!is_new) {
        throw DataError(path, fmt::format("line {}: duplicates the token of line {}",
                                          tokens_.size() + 1, place->second + 1));
      }
      tokens_.emplace_back(line);
    }
  }

  std::size_t size() const { return tokens_.size(); }

  std::optional<Token> find(std::string_view text) const {
    const auto found = index_.find(std::string(text));
    return found == index_.end() ? std::nullopt : std::optional<Token>(found->second);
  }

  Sequence encode(std::string_view text) const {
    Sequence out;
    if (words_) {
      while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (!word.empty()) out.push_back(known(word));
      }
      return out;
    }
    for (const char32_t c : decode_utf8(text)) out.push_back(known(encode_utf8({&c, 1})));
    return out;
  }

  std::string decode(std::span<const Token> tokens) const {
    std::string out;
    for (const Token token : tokens) {
      if (words_ && !out.empty()) out += ' ';
      out += tokens_.at(static_cast<std::size_t>(token));
    }
    return out;
  }

 private:
  Token known(std::string_view text) const {
    if (const auto token = find(text)) return *token;
    throw InvalidArgument("text", fmt::format("'{}' is not in the vocabulary", text));
  }

  bool words_;
  std::vector<std::string> tokens_ = {};
  std::unordered_map<std::string, Token> index_ = {};
};

/// A module whose tokens are those of a TokenList or of SentencePieces.
/// @param start, end the tokens unless the options name others; -1: none
template <class Vocabulary>
TextGenerator open_torch_script(const ModelFile& file, Vocabulary vocabulary, Token start,
                                Token end) {
  const auto tokens = std::make_shared<const Vocabulary>(std::move(vocabulary));
  const auto named = [&](const char* option, const std::string& text, Token otherwise) {
    if (text.empty()) return otherwise;
    if (const std::optional<Token> token = tokens->find(text)) return *token;
    throw InvalidArgument(option, fmt::format("'{}' is not in the vocabulary", text));
  };
  const auto model = std::make_shared<language::TorchScriptModel>(
      file.path,
      language::TorchScriptOptions{.end_token = named("--end-token", file.end_token, end),
                                   .start_token = named("--start-token", file.start_token, start),
                                   .vocabulary_size = tokens->size(),
                                   .device = device_of(file.device)});
  return {.kind = "torchscript",
          .model = model,
          .encode = [tokens](std::string_view text) { return tokens->encode(text); },
          .decode = [tokens](std::span<const Token> each) { return tokens->decode(each); }};
}

/// A SentencePiece model is a Protocol Buffers message, whose pieces and settings fill it to its
/// end: fields 1 to 5, each a tag, a length and as many bytes. No list of tokens is that.
bool is_sentencepiece_model(std::string_view bytes) {
  if (!bytes.starts_with('\x0A')) return false;  // a piece
  while (!bytes.empty()) {
    const auto tag = static_cast<unsigned char>(bytes[0]);
    bytes.remove_prefix(1);
    constexpr unsigned kBytes = 2;  // the wire type
    if (tag % 8 != kBytes || tag / 8 < 1 || tag / 8 > 5) return false;
    std::uint64_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (bytes.empty() || shift > 56) return false;
      const auto byte = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      length |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) break;
    }
    if (length > bytes.size()) return false;
    bytes.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

TextGenerator open_torch_script(const ModelFile& file) {
  if (file.vocabulary.empty()) {
    throw InvalidArgument("--vocabulary", file.path +
                                              " is a TorchScript module, which does not list "
                                              "its tokens: expected a file with them");
  }
  std::string bytes(MappedFile(file.vocabulary).bytes());
  const bool cut = bytes.find('\0') != std::string::npos;  // a model that is damaged: no text
  if (!is_sentencepiece_model(bytes) && !cut) {
    return open_torch_script(file, TokenList(file.vocabulary, bytes, file.units == UnitKind::word),
                             -1, -1);
  }
  SentencePieces pieces(file.vocabulary, std::move(bytes));
  const Token start = pieces.start_token().value_or(-1);
  const Token end = pieces.end_token().value_or(-1);
  return open_torch_script(file, std::move(pieces), start, end);
}

}  // namespace

void train_neural(const LmTrainOptions& asked) {
  LmTrainOptions options = asked;
  options.run.group = command_group({&options.output, &options.run.log});
  use_threads(options.common.threads);
  const TextLines text = read_lines(options.text);
  for (const std::string& line : text.notes) note(line);
  TextUnits units = units_of(options, text.lines);
  const auto loss = loss_of(options, units, text.lines);
  const language::NetworkOptions network = network_of(options, units);
  const Stream stream{.seed = options.common.seed};
  language::TextModel model =
      language::TextModel::make(std::move(units), network, stream.child(LmPurpose::weights));
  std::size_t parameters = 0;
  for (const Tensor& each : model.network->parameters()) {
    parameters += static_cast<std::size_t>(each.numel());
  }
  const language::TextTrainingResult result = [&] {
    Meter meter("training");
    return train(model, text.lines, *loss, stream.child(LmPurpose::training),
                 {.epochs = options.epochs,
                  .batch = options.batch,
                  .length = options.length,
                  .learning_rate = options.learning_rate,
                  .held_out = options.held_out,
                  .patience = options.patience,
                  .device = device_of(options.run.device),
                  .group = options.run.group.get()},
                 {.checkpoint = options.run.checkpoint,
                  .checkpoint_seconds = options.run.checkpoint_seconds,
                  .run = facts_of(options),
                  .log = options.run.log},
                 meter.progress());
  }();
  if (!options.output.empty()) model.save(options.output);
  const double words_a_second =
      static_cast<double>(result.tokens) * options.epochs / result.loop.seconds;
  const bool held_out = result.held_out.tokens > 0;
  if (options.common.json) {
    print_json({{"model", options.output},
                {"kind", name_of(kLmKinds, options.kind)},
                {"units", units_name(options)},
                {"vocabulary", model.units.size()},
                {"parameters", parameters},
                {"lines", text.lines.size()},
                {"tokens", result.tokens},
                {"steps", result.loop.steps},
                {"seconds", result.loop.seconds},
                {"tokens_per_second", words_a_second},
                {"held_out_tokens", result.held_out.tokens},
                {"held_out_perplexity", held_out ? Json(result.held_out.perplexity) : Json()}});
  } else {
    note(fmt::format("wrote {}: {} of {} and {}{}", options.output, name_of(kLmKinds, options.kind),
                     counted(parameters, "parameter"), counted(model.units.size(), "token"),
                     held_out
                         ? fmt::format(", perplexity {:.3f} on {} held-out tokens",
                                       result.held_out.perplexity, grouped(result.held_out.tokens))
                         : std::string()));
  }
}

TextGenerator open_neural(const ModelFile& file) {
  if (archive_kind(MappedFile(file.path).bytes()) != language::TextModel::kArchive) {
    return open_torch_script(file);
  }
  const language::TextModel model = language::TextModel::load(file.path);
  model.network->to(device_of(file.device));
  return generator_of(
      std::holds_alternative<language::LstmOptions>(model.options) ? "lstm" : "transformer",
      std::make_shared<language::NeuralSequenceModel>(model.sequences()), model.units);
}

}  // namespace partita::app
