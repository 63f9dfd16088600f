// partita lm: language models from a text file, and how well they predict another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "neural.hpp"
#include "options.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/bins.hpp"
#include "partita/io/text.hpp"
#include "partita/search/ngram.hpp"
#include "partita/search/score.hpp"
#include "terminal.hpp"

namespace partita::app {
namespace {

void train_ngram_model(const LmTrainOptions& options) {
  if (options.units != "char") {
    throw InvalidArgument("--units",
                          "an n-gram model is one of characters (char), got " + options.units);
  }
  const TextLines text = read_lines(options.text);
  for (const std::string& line : text.notes) note(line);
  const NgramModel model = [&] {
    Meter meter("counting");
    return train_ngram(text.lines, {.order = options.order}, meter.progress());
  }();
  model.save(options.output);
  if (options.common.json) {
    print_json({{"model", options.output},
                {"kind", options.kind},
                {"units", options.units},
                {"order", model.order()},
                {"lines", text.lines.size()},
                {"vocabulary", model.vocabulary_size()}});
  } else {
    note(fmt::format("wrote {}: {}-gram model of {} lines, {} characters and the end",
                     options.output, model.order(), grouped(text.lines.size()),
                     model.vocabulary_size() - 1));
  }
}

void run_train(const LmTrainOptions& options) {
  if (options.kind == "ngram") {
    train_ngram_model(options);
  } else {
    train_neural(options);
  }
}

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train a language model on the lines of a text file");
  auto options = std::make_shared<LmTrainOptions>();
  command->add_option("TEXT", options->text, "UTF-8 text, one word or sentence a line")
      ->option_text("FILE")
      ->required();
  command->add_option("--kind", options->kind, "kind of model: ngram, lstm, transformer (ngram)")
      ->option_text("KIND")
      ->check(CLI::IsMember({"ngram", "lstm", "transformer"}));
  command->add_option("--units", options->units, "what a token is: char, word (char)")
      ->option_text("UNITS")
      ->check(CLI::IsMember({"char", "word"}));
  command
      ->add_option("--order", options->order,
                   "n of the n-grams, 1..16: they see n - 1 characters of context (6)")
      ->option_text("N")
      ->check(whole_number(1, 16));
  add_common(*command, options->common);
  command->add_option("-o,--output", options->output, "where to write the model")
      ->option_text("FILE")
      ->required();

  const std::string group = "Of neural models";
  const auto add = [&](const char* name, auto& value, const char* what, const char* unit) {
    return command->add_option(name, value, what)->option_text(unit)->group(group);
  };
  add("--vocabulary", options->vocabulary, "keep the N most frequent words (all)", "N")
      ->check(whole_number(1, 10'000'000));
  add("--dim", options->dim, "numbers that stand for a token, and in each layer (256)", "N")
      ->check(whole_number(1, 1U << 16U));
  add("--layers", options->layers, "layers (lstm: 1, transformer: 4)", "N")
      ->check(whole_number(1, 1000));
  add("--heads", options->heads, "attention heads of a transformer (4)", "N")
      ->check(whole_number(1, 1000));
  add("--dropout", options->dropout, "in [0, 1) (0)", "P");
  add("--loss", options->loss,
      "full: softmax over all tokens; nce, sampled: against noise, for large vocabularies (full)",
      "NAME")
      ->check(CLI::IsMember({"full", "nce", "sampled"}));
  add("--noise", options->noise, "draws of noise a token, for nce and sampled (100)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--epochs", options->epochs, "passes over the text (10)", "N");
  add("--batch", options->batch, "lines, or pieces of long ones, a step (64)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--length", options->length, "cut lines into pieces of at most N tokens (64)", "N")
      ->check(whole_number(1, 1'000'000));
  add("--learning-rate", options->learning_rate, "of Adam; falls to a tenth (0.002)", "X");
  add("--held-out", options->held_out, "share of lines that are only predicted (0.05)", "P");
  add("--patience", options->patience,
      "stop after N epochs without a better held-out perplexity, and keep the best (off)", "N");
  add("--checkpoint", options->checkpoint,
      "save the run here; a killed run, given again, ends with the same model", "FILE");
  add("--log", options->log, "losses as JSON lines", "FILE");
  add("--device", options->device, "cpu or cuda (cpu)", "NAME");
  command->footer(
      "Example:\n"
      "  partita lm train --kind ngram --order 6 words.txt -o words.model\n"
      "  partita lm train --kind lstm --epochs 5 words.txt -o words.model --seed 1\n"
      "\n"
      "Counting n-grams draws no numbers and runs on one thread. A neural model is the same for a "
      "seed\nand a number of threads.");
  command->callback([options] { run_train(*options); });
}

struct EvaluateOptions {
  ModelFile model;
  std::string text;
  CommonOptions common;
};

/// Of next-token predictions: sum over bins of their share times |accuracy - confidence|.
double expected_calibration_error(const std::vector<TokenScore>& scores) {
  const Bins bins = equal_width_bins(15);
  std::vector<double> gap(bins.size());
  for (const TokenScore& score : scores) {
    gap[bins.of(score.confidence)] += (score.correct ? 1 : 0) - score.confidence;
  }
  double sum = 0;
  for (const double each : gap) sum += std::abs(each);
  return sum / static_cast<double>(scores.size());
}

void run_evaluate(const EvaluateOptions& options) {
  const TextGenerator generator = open_model(options.model);
  const TextLines text = read_lines(options.text);
  for (const std::string& line : text.notes) note(line);
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    try {
      sequences.push_back(generator.encode(text.lines[i]));
    } catch (const InvalidArgument& error) {
      throw DataError(options.text,
                      fmt::format("line {}: {}", text.line_number[i], error.reason()));
    }
  }
  std::vector<TokenScore> scores;
  for (const auto& sequence :
       score_sequences(*generator.model, sequences, {.threads = options.common.threads})) {
    scores.insert(scores.end(), sequence.begin(), sequence.end());
  }
  if (scores.empty()) throw DataError(options.text, "no tokens to predict");
  double log_prob = 0;
  double confidence = 0;
  double correct = 0;
  for (const TokenScore& score : scores) {
    log_prob += score.log_prob;
    confidence += score.confidence;
    correct += score.correct ? 1 : 0;
  }
  const auto n = static_cast<double>(scores.size());
  const double nll = -log_prob / n;
  const double ece = expected_calibration_error(scores);
  if (options.common.json) {
    print_json({{"model", options.model.path},
                {"kind", generator.kind},
                {"lines", sequences.size()},
                {"tokens", scores.size()},
                {"nll", nll},
                {"perplexity", std::exp(nll)},
                {"accuracy", correct / n},
                {"confidence", confidence / n},
                {"ece", ece}});
  } else {
    print(
        fmt::format("{} lines, {} tokens, their ends included\n"
                    "perplexity   {:.4f}   ({:.4f} nats a token)\n"
                    "accuracy     {:.4f}   of the most likely next token\n"
                    "confidence   {:.4f}   its mean probability\n"
                    "ECE          {:.4f}   (15 bins)\n",
                    grouped(sequences.size()), grouped(scores.size()), std::exp(nll), nll,
                    correct / n, confidence / n, ece));
  }
}

void add_evaluate(CLI::App& app) {
  auto* command =
      app.add_subcommand("evaluate",
                         "Perplexity of a text, and how well the next token's probabilities are "
                         "calibrated");
  auto options = std::make_shared<EvaluateOptions>();
  command->add_option("MODEL", options->model.path, "from lm train, or a TorchScript module")
      ->option_text("FILE")
      ->required();
  command->add_option("TEXT", options->text, "UTF-8 text, as for training")
      ->option_text("FILE")
      ->required();
  add_common(*command, options->common);
  add_model_options(*command, options->model);
  command->footer(
      "Example:\n"
      "  partita lm evaluate words.model other-words.txt --json\n"
      "\n"
      "Every line is predicted from its beginning, token by token, its end included.");
  command->callback([options] { run_evaluate(*options); });
}

}  // namespace

void add_lm(CLI::App& app) {
  auto* command = app.add_subcommand("lm", "Language models");
  command->require_subcommand(1);
  add_train(*command);
  add_evaluate(*command);
}

}  // namespace partita::app
