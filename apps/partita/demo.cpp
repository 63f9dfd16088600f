// partita demo: the whole toolkit on a word list, with a report.
#include <memory>
#include <string>

#include "commands.hpp"
#include "demo_experiment.hpp"
#include "demo_report.hpp"
#include "options.hpp"
#include "partita/io/file.hpp"
#include "terminal.hpp"

namespace partita::app {
namespace {

void run(DemoOptions& options, const CommonOptions& common) {
  options.seed = common.seed;
  options.threads = common.threads;
  const DemoResult result = run_demo(options);
  write_file(options.report, report_html(result, options));
  if (common.json) {
    print_json(summary_json(result, options));
  } else {
    print(summary_text(result, options));
  }
  note("wrote " + options.report);
}

}  // namespace

void add_demo(CLI::App& app) {
  auto* command =
      app.add_subcommand("demo", "Draw distinct words from a word list, and write a report");
  auto options = std::make_shared<DemoOptions>();
  auto common = std::make_shared<CommonOptions>();
  command->add_option("WORDS", options->words, "UTF-8 text, one word a line")
      ->option_text("FILE")
      ->required();
  add_k(*command, options->k, "words to show from each sampler");
  command
      ->add_option("--samples", options->reference_samples,
                   "independent samples for the reference values (1000000)")
      ->option_text("N")
      ->check(whole_number(1000, 1'000'000'000));
  command
      ->add_option("--repetitions", options->repetitions, "times that each estimate is made (200)")
      ->option_text("N")
      ->check(whole_number(2, 1'000'000));
  add_common(*command, *common);
  add_report(*command, options->report)->required();
  command->footer(
      "Example:\n"
      "  partita demo /usr/share/dict/american-english --report report.html --seed 1");
  command->callback([options, common] { run(*options, *common); });
}

}  // namespace partita::app
