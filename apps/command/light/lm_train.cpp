// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/lm_train.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/learn/neural.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"
#include "partita/text/ngram.hpp"

namespace partita::app {
namespace {

void train_ngram_model(const LmTrainOptions& options) {
  const TextLines text = read_lines(options.text);
  for (const std::string& line : text.notes) note(line);
  TextUnits units = units_of(options, text.lines);
  const int usual = units.kind() == UnitKind::character ? 6 : 3;
  const int order = options.order == 0 ? usual : options.order;
  const NgramModel model = [&] {
    Meter meter("counting");
    return train_ngram(std::move(units), text.lines, {.order = order}, meter.progress());
  }();
  model.save(options.output);
  if (options.common.json) {
    print_json({{"model", options.output},
                {"kind", name_of(kLmKinds, options.kind)},
                {"units", units_name(options)},
                {"order", model.order()},
                {"lines", text.lines.size()},
                {"vocabulary", model.vocabulary_size()}});
  } else {
    note(fmt::format("wrote {}: {}-gram model of {} and {}", options.output, model.order(),
                     counted(text.lines.size(), "line"),
                     counted(model.vocabulary_size(), "token")));
  }
}

void run_train(const LmTrainOptions& options) {
  if (options.kind == LmKind::ngram) {
    train_ngram_model(options);
  } else {
    train_neural(options);
  }
}

// ---- the command line ----

constexpr auto kUnits = names<UnitKind>({{"char", UnitKind::character},
                                         {"word", UnitKind::word},
                                         {"sentencepiece", UnitKind::sentencepiece}});

std::string unknown_units(const std::string& text) {
  return value_named(kUnits, text) || std::filesystem::exists(text)
             ? std::string()
             : "expected char, word, sentencepiece or the file of a SentencePiece model, got " +
                   text;
}

}  // namespace

std::string units_name(const LmTrainOptions& options) {
  return options.units ? name_of(kUnits, *options.units) : options.pieces;
}

TextUnits units_of(const LmTrainOptions& options, std::span<const std::string> lines) {
  if (!options.units)
    return TextUnits(
        SentencePieces(options.pieces, std::string(MappedFile(options.pieces).bytes())));
  return TextUnits::learn(*options.units, lines, {.vocabulary = options.vocabulary});
}

void add_lm_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train a language model on the lines of a text file");
  auto options = std::make_shared<LmTrainOptions>();
  command->add_option("TEXT", options->text, "UTF-8 text, one word or sentence per line")
      ->option_text("FILE")
      ->required();
  add_choice(*command, "--kind", options->kind, kLmKinds,
             "kind of model: ngram, lstm, transformer (ngram)")
      ->option_text("KIND");
  command
      ->add_option_function<std::string>(
          "--units",
          [options](const std::string& text) {
            options->units = value_named(kUnits, text);
            if (!options->units) options->pieces = text;
          },
          "what a token is: char, word, sentencepiece (pieces learned from the text), or "
          "the file of a SentencePiece model (char)")
      ->option_text("UNITS")
      ->check(CLI::Validator([](std::string& text) { return unknown_units(text); }, "UNITS"));
  command
      ->add_option("--vocabulary", options->vocabulary,
                   "keep the N most frequent words (all); or learn N pieces, for sentencepiece "
                   "(8000)")
      ->option_text("N")
      ->check(whole_number(1, 10'000'000));
  command
      ->add_option("--order", options->order,
                   "n of the n-grams, 1..16: they see n - 1 tokens of context (char: 6, others: 3)")
      ->option_text("N")
      ->check(whole_number(1, 16));
  add_common(*command, options->common);
  add_output(*command, options->output, "the model")->required();

  const std::string group = "Of neural models";
  const auto add = [&](const char* name, auto& value, const char* what, const char* unit) {
    return command->add_option(name, value, what)->option_text(unit)->group(group);
  };
  add("--dim", options->dim, "size of the embeddings and of each layer (256)", "N")
      ->check(whole_number(1, 1U << 16U));
  add("--layers", options->layers, "layers (lstm: 1, transformer: 4)", "N")
      ->check(whole_number(1, 1000));
  add("--heads", options->heads, "attention heads of a transformer (4)", "N")
      ->check(whole_number(1, 1000));
  add("--dropout", options->dropout, "in [0, 1) (0)", "P");
  add_choice(*command, "--loss", options->loss, kLmLosses,
             "full: softmax over all tokens; and for large vocabularies adaptive: an exact one "
             "with rare tokens apart; nce, sampled: against noise (full)")
      ->group(group);
  add("--cutoffs", options->cutoffs,
      "for adaptive: tokens from the N-th on form a tail, those from the next N on another one "
      "again (a twentieth and a fifth of all)",
      "N,...")
      ->delimiter(',')
      ->check(whole_number(1, 1U << 31U));
  add("--noise", options->noise, "draws of noise per token, for nce and sampled (100)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--epochs", options->epochs, "passes over the text (10)", "N");
  add("--batch", options->batch, "lines, or pieces of long ones, per step (64)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--length", options->length, "cut lines into pieces of at most N tokens (64)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--learning-rate", options->learning_rate, "Adam's; falls to a tenth (0.002)", "X");
  add("--held-out", options->held_out, "share of lines used only for evaluation (0.05)", "P");
  add("--patience", options->patience,
      "stop after N epochs without a better held-out perplexity, and keep the best (off)", "N");
  add_run(*command, options->run, group);
  command->footer(
      "Example:\n"
      "  partita lm train --kind ngram --order 6 words.txt -o words.model\n"
      "  partita lm train --kind ngram --units word --order 3 novels.txt -o novels.model\n"
      "  partita lm train --kind lstm --epochs 5 words.txt -o words.model --seed 1\n"
      "  partita lm train --kind lstm --units word --loss adaptive novels.txt -o novels.model\n"
      "\n"
      "Counting n-grams draws no numbers and runs on one thread. A neural model is the same for a "
      "seed\nand a number of threads. A killed run with --checkpoint, given again, ends with the "
      "same model.");
  command->callback([options] { run_train(*options); });
}

}  // namespace partita::app
