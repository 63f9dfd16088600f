// SPDX-License-Identifier: Apache-2.0
// partita gradients: gradient estimators against the exact gradient, with a report.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/learn/gradients_summary.hpp"
#include "apps/command/options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/gradients/experiment.hpp"
#include "apps/experiments/gradients/report.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

struct GradientsCommand {
  GradientsOptions experiment;
  std::vector<std::string> estimators;
  std::string mdp;
  std::string report;
  CommonOptions common;
};

/// The estimators named, which all have to fit the problem.
std::vector<EstimatorKind> chosen(const GradientsCommand& command) {
  const GradientsProblem problem = command.experiment.problem;
  std::map<std::string, EstimatorKind> fitting;
  std::vector<std::string> names;
  for (const EstimatorKind kind : estimators_for(problem)) {
    fitting.emplace(names.emplace_back(name_of(kind)), kind);
  }
  std::vector<EstimatorKind> kinds;
  for (const std::string& name : command.estimators) {
    const auto found = fitting.find(name);
    if (found == fitting.end()) {
      throw InvalidArgument(
          "--estimators",
          fmt::format("{} does not fit the problem {}; these do: {}", name,
                      name_of(kGradientsProblems, problem), fmt::join(names, ", ")));
    }
    kinds.push_back(found->second);
  }
  return kinds;
}

void run(GradientsCommand& command) {
  GradientsOptions& options = command.experiment;
  options.estimators = chosen(command);
  if (!command.mdp.empty()) {
    if (options.problem != GradientsProblem::mdp) {
      throw InvalidArgument("--mdp", "only with --problem mdp");
    }
    options.mdp = read_mdp(command.mdp);
  }
  options.seed = command.common.seed;
  options.threads = command.common.threads;
  options.timed = true;
  const GradientsResult result = run_gradients(options, meters());
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

void add_gradients(CLI::App& app) {
  auto* command = app.add_subcommand(kGradients.name, kGradients.description);
  auto options = std::make_shared<GradientsCommand>();
  add_choice(
      *command, "--problem", options->experiment.problem, kGradientsProblems,
      "gaussian: E[z^2], z ~ N(2t + 3, 1); bernoulli: E[(b - t)^2], one coin; "
      "categorical: three coins, eight categories; bernoulli-vae: the evidence bound of an image "
      "by eight bits; categorical-vae: by three one-hot vectors; subset: three of eight; mdp: "
      "a small decision process")
      ->required();
  command
      ->add_option(
          "--mdp", options->mdp,
          "for --problem mdp, another process: JSON with transitions [state, action, next], "
          "rewards [state, action], horizon and, unless it is the first state, start "
          "[state]")
      ->option_text("FILE");
  command
      ->add_option("--estimators", options->estimators,
                   "compare these, separated by commas (all that fit the problem)")
      ->option_text("NAMES")
      ->delimiter(',');
  command
      ->add_option("--samples", options->experiment.samples,
                   "estimates from which bias and variance are measured (10000)")
      ->option_text("N")
      ->check(whole_number(2, 100'000'000));
  command
      ->add_option("--steps", options->experiment.steps,
                   "steps of stochastic gradient descent (500)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  add_common(*command, options->common);
  add_report(*command, options->report);
  command->footer(
      "Example:\n"
      "  partita gradients --problem categorical --report report.html --seed 1\n"
      "\n"
      "Prints each estimator's bias and variance at the start (k: samples of one estimate; evals: "
      "how\noften it evaluates f); which has the least error at equal evaluations of f and in "
      "equal time,\nbias and variance together; then how far each has come after the last step, "
      "the mean of 16 runs.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
