// partita gradients: gradient estimators against the exact gradient, with a report.
#include <memory>
#include <string>
#include <vector>

#include "apps/command/commands.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/gradients/experiment.hpp"
#include "apps/experiments/gradients/report.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

void run(GradientsOptions& options, const CommonOptions& common) {
  options.seed = common.seed;
  options.threads = common.threads;
  const GradientsResult result = run_gradients(options);
  if (!options.report.empty()) write_file(options.report, report_html(result, options));
  if (common.json) {
    print_json(summary_json(result, options));
  } else {
    print(summary_text(result));
  }
  if (!options.report.empty()) note("wrote " + options.report);
}

}  // namespace

void add_gradients(CLI::App& app) {
  auto* command = app.add_subcommand(kGradients.name, kGradients.description);
  auto options = std::make_shared<GradientsOptions>();
  auto common = std::make_shared<CommonOptions>();
  command
      ->add_option("--problem", options->problem,
                   "gaussian: E[z^2], z ~ N(2t + 3, 1); bernoulli: E[(b - t)^2], one coin; "
                   "categorical: three coins, eight categories; mdp: a small decision process")
      ->option_text("NAME")
      ->required()
      ->check(CLI::IsMember({"gaussian", "bernoulli", "categorical", "mdp"}));
  command
      ->add_option("--estimators", options->estimators,
                   "compare these, separated by commas (all that fit the problem)")
      ->option_text("NAMES")
      ->delimiter(',');
  command
      ->add_option("--samples", options->samples,
                   "estimates from which bias and variance are measured (10000)")
      ->option_text("N")
      ->check(whole_number(2, 100'000'000));
  command->add_option("--steps", options->steps, "steps of stochastic gradient descent (500)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  add_common(*command, *common);
  add_report(*command, options->report);
  command->footer(
      "Example:\n"
      "  partita gradients --problem categorical --report report.html --seed 1\n"
      "\n"
      "Prints each estimator's bias and variance at the start (k: samples of one estimate; evals: "
      "how\noften it evaluates f), then how far it has come after the last step, the mean of 16 "
      "runs.");
  command->callback([options, common] { run(*options, *common); });
}

}  // namespace partita::app
