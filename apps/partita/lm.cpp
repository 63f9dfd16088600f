// partita lm train: a language model from a text file.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.hpp"
#include "options.hpp"
#include "partita/io/text.hpp"
#include "partita/search/ngram.hpp"
#include "terminal.hpp"

namespace partita::app {
namespace {

struct TrainOptions {
  std::string text;
  std::string kind = "ngram";
  std::string units = "char";
  int order = 6;
  CommonOptions common;
  std::string output;
};

void run(const TrainOptions& options) {
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

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train a language model on the lines of a text file");
  auto options = std::make_shared<TrainOptions>();
  command->add_option("TEXT", options->text, "UTF-8 text, one word or sentence a line")
      ->option_text("FILE")
      ->required();
  command->add_option("--kind", options->kind, "kind of model (ngram)")
      ->option_text("KIND")
      ->check(CLI::IsMember({"ngram"}));
  command->add_option("--units", options->units, "what a token is (char)")
      ->option_text("UNITS")
      ->check(CLI::IsMember({"char"}));
  command
      ->add_option("--order", options->order,
                   "n of the n-grams, 1..16: they see n - 1 characters of context (6)")
      ->option_text("N")
      ->check(whole_number(1, 16));
  add_common(*command, options->common);
  command->add_option("-o,--output", options->output, "where to write the model")
      ->option_text("FILE")
      ->required();
  command->footer(
      "Example:\n"
      "  partita lm train --kind ngram --units char --order 6 words.txt -o words.model\n"
      "\n"
      "Counting draws no numbers and runs on one thread: --seed and --threads change nothing "
      "here.");
  command->callback([options] { run(*options); });
}

}  // namespace

void add_lm(CLI::App& app) {
  auto* command = app.add_subcommand("lm", "Language models");
  command->require_subcommand(1);
  add_train(*command);
}

}  // namespace partita::app
