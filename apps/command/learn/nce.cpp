// SPDX-License-Identifier: Apache-2.0
// partita nce: training without the sum over the vocabulary, with a report.
#include <memory>
#include <string>

#include "apps/command/learn/nce_summary.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/nce/experiment.hpp"
#include "apps/experiments/nce/report.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

struct NceCommand {
  NceExperimentOptions experiment;
  std::string report;
  CommonOptions common;
};

void run(NceCommand& command) {
  NceExperimentOptions& options = command.experiment;
  options.seed = command.common.seed;
  options.threads = command.common.threads;
  options.group = command_group({&command.report});
  const NceExperimentResult result = run_nce(options, meters());
  if (!command.report.empty())
    write_file(command.report, report_html(result, options, command_line()));
  if (command.common.json) {
    print_json(summary_json(result, options, command.report));
  } else {
    print(summary_text(result));
  }
  if (!command.report.empty()) note("wrote " + command.report);
}

}  // namespace

void add_nce(CLI::App& app) {
  auto* command = app.add_subcommand(kNce.name, kNce.description);
  auto all = std::make_shared<NceCommand>();
  NceExperimentOptions* const options = &all->experiment;
  command->add_option("CORPUS", options->corpus, "UTF-8 text, plain or gzip; - for standard input")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("--vocabulary", options->vocabulary,
                   "keep the N most frequent words, 2..100000 (10000)")
      ->option_text("N")
      ->check(whole_number(2, 100'000));
  command->add_option("--dim", options->dim, "length of the word vectors, 1..1024 (64)")
      ->option_text("N")
      ->check(whole_number(1, 1024));
  command->add_option("--batch", options->batch, "pairs of words per step (256)")
      ->option_text("N")
      ->check(whole_number(1, 100'000));
  command->add_option("--steps", options->steps, "steps of each loss (2000)")
      ->option_text("N")
      ->check(whole_number(1, 10'000'000));
  command
      ->add_option("--seconds", options->seconds,
                   "train each loss for N seconds of processor time, whatever --steps is")
      ->option_text("N")
      ->check(CLI::PositiveNumber);
  command->add_option("--noise-exponent", options->noise_exponent, "noise is unigram^A, 0..1 (1)")
      ->option_text("A")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--largest", options->largest,
                   "time steps with 1000, 10000 ... outputs, up to N (1000000; 0: none)")
      ->option_text("N")
      ->check(whole_number(0, 10'000'000));
  add_common(*command, all->common);
  add_report(*command, all->report);
  command->footer(
      "Example:\n"
      "  partita nce corpus.txt --report report.html\n"
      "\n"
      "Trains a model of each word given the one before it by the full softmax, noise-contrastive\n"
      "estimation, negative sampling, sampled softmax, in-batch negatives and hierarchical "
      "softmax, on\nthe same pairs, and prints what each has learned of the pairs held out and "
      "what a step costs.\nWithout --seconds, everything but times is the same for any number of "
      "threads.");
  command->callback([all] { run(*all); });
}

}  // namespace partita::app
