// SPDX-License-Identifier: Apache-2.0
// partita vae: variational auto-encoders, trained and put to use.
#include "apps/command/learn/vae.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "apps/command/learn/vae_summary.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/vae/experiment.hpp"
#include "apps/experiments/vae/report.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

struct VaeCommand {
  VaeTrainOptions experiment;
  std::string report;
  CommonOptions common;
};

/// Checks options that apply only together with others.
void check(const VaeTrainOptions& options) {
  const bool iwae = options.objective == VaeObjective::iwae;
  if (options.latent == VaeLatent::gaussian && options.estimator) {
    throw InvalidArgument("--estimator", "applies only to --latent concrete");
  }
  if (iwae && options.ablations) {
    throw InvalidArgument("--ablations",
                          "applies only to --objective elbo, which has separate terms");
  }
  for (const EstimatorKind of_one_code :
       {EstimatorKind::rebar, EstimatorKind::relax, EstimatorKind::gumbel_rao,
        EstimatorKind::reinmax, EstimatorKind::reinmax_rao}) {
    if (!iwae || options.estimator != of_one_code) continue;
    throw InvalidArgument("--estimator",
                          fmt::format("{} is for one code, but the bound of --objective iwae takes "
                                      "several together: expected concrete, st-gumbel, "
                                      "reinforce-loo or unordered-set",
                                      name_of(kVaeEstimators, of_one_code)));
  }
}

void train(VaeCommand& command) {
  VaeTrainOptions& options = command.experiment;
  check(options);
  options.pictures = !command.report.empty();
  options.seed = command.common.seed;
  options.threads = command.common.threads;
  options.run.group = command_group({&options.output, &command.report, &options.run.log});
  const VaeResult result = run_vae(options, meters());
  if (!command.report.empty())
    write_file(command.report, vae_report(result, options, command_line()));
  if (command.common.json) {
    print_json(summary_json(result, options, command.report));
  } else {
    print(summary_text(result, options));
  }
  for (const std::string& path : {options.output, command.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

void add_model_options(CLI::App& command, VaeTrainOptions& options) {
  const std::string group = "Model";
  add_choice(command, "--latent", options.latent, kVaeLatents,
             "gaussian: numbers; concrete: one-hot vectors, whose gradient an --estimator finds "
             "(gaussian)")
      ->group(group);
  command.add_option("--latent-dim", options.latent_dim, "numbers, or one-hot vectors (20)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(1, 10'000));
  command.add_option("--categories", options.categories, "size of each one-hot vector (10)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(2, 10'000));
  add_choice(command, "--decoder", options.decoder, kVaeDecoders,
             "bernoulli: binarized pixels; gaussian: grays, with one learned deviation "
             "(bernoulli)")
      ->group(group);
  command
      .add_option("--hidden", options.hidden,
                  "widths of the encoder's tanh layers, the decoder's mirrored (200,200)")
      ->option_text("WIDTHS")
      ->group(group)
      ->delimiter(',')
      ->check(whole_number(1, 10'000));
}

void add_objective_options(CLI::App& command, VaeTrainOptions& options) {
  const std::string group = "Objective";
  add_choice(command, "--objective", options.objective, kVaeObjectives,
             "elbo, its KL term in closed form; iwae: the importance-weighted bound (elbo)")
      ->group(group);
  command
      .add_option("--samples", options.samples,
                  "samples of z per step and image: k of iwae (5; 1 for elbo, or 2 where the "
                  "estimator needs it)")
      ->option_text("K")
      ->group(group)
      ->check(whole_number(1, 10'000));
  add_choice(command, "--estimator", options.estimator, kVaeEstimators,
             "for the gradient through one-hot vectors (concrete; reinforce-loo for iwae)")
      ->group(group);
  command.add_option("--temperature", options.temperature, "temperature of the relaxations (0.5)")
      ->option_text("T")
      ->group(group)
      ->check(number("(0, inf)"));
  command
      .add_flag("--ablations", options.ablations,
                "also train without each of the terms: side by side in the report")
      ->group(group);
}

void add_training_options(CLI::App& command, VaeTrainOptions& options) {
  const std::string group = "Training";
  const auto add = [&](const char* flag, auto& value, const char* description, const char* name) {
    return command.add_option(flag, value, description)->option_text(name)->group(group);
  };
  const auto positive = number("(0, inf)");
  add_choice(
      command, "--preset", options.preset, kVaePresets,
      "iwae-1l: latent 50, hidden 200,200, batch 20, 3280 epochs, of which 3^i at a learning "
      "rate of 0.001 * 10^(-i/7), i = 0 ... 7, Adam's epsilon 1e-4, nothing held out. What "
      "else is given overrides it (small)")
      ->group(group);
  add("--epochs", options.epochs, "passes over the images (20)", "N")->check(positive);
  add("--batch", options.batch, "images per step (64)", "N")->check(whole_number(1, 1U << 20U));
  add("--learning-rate", options.learning_rate, "Adam's (0.001)", "R")->check(positive);
  add("--held-out", options.held_out,
      "share of the training images used only for evaluation, after every epoch (0.05)", "P")
      ->check(number("[0, 1)"));
  add("--patience", options.patience,
      "stop after N epochs without a better held-out loss, and keep the best (0: never)", "N")
      ->check(whole_number(0, 1U << 30U));
  add_run(command, options.run, group);
}

void add_train(CLI::App& vae) {
  auto* command = vae.add_subcommand("train", "Train an encoder and a decoder on images");
  auto all = std::make_shared<VaeCommand>();
  VaeTrainOptions* const options = &all->experiment;
  add_image_data(*command, options->directory,
                 "rendered: digits in the DejaVu fonts; or a directory of IDX images and "
                 "labels, gzip or not (rendered)");
  command
      ->add_option("--train-images", options->train_images,
                   "use at most N images (all; 10000 if rendered)")
      ->option_text("N")
      ->check(whole_number(1, 1U << 30U));
  add_model_options(*command, *options);
  add_objective_options(*command, *options);
  add_training_options(*command, *options);
  add_common(*command, all->common);
  add_output(*command, options->output, "the trained model");
  add_report(*command, all->report, "pictures");
  command->footer(
      "Example:\n"
      "  partita vae train --latent-dim 2 --epochs 40 --ablations --report vae.html -o vae.model\n"
      "\n"
      "Reconstruction is -E log p(x|z), KL is from the posterior of z to its prior, the ELBO minus "
      "their sum.\nSpread is the standard deviation of z over the test images, 1 under the prior. "
      "A killed run with\n--checkpoint, given again, ends with the same weights.");
  command->callback([all] { train(*all); });
}

}  // namespace

void add_image_data(CLI::App& command, std::string& directory, const std::string& description) {
  command
      .add_option_function<std::string>(
          "--data",
          [&directory](const std::string& data) { directory = data == "rendered" ? "" : data; },
          description)
      ->option_text("DIR");
}

void add_vae(CLI::App& app) {
  auto* command = app.add_subcommand(kVae.name, kVae.description);
  command->require_subcommand(1);
  add_train(*command);
  add_vae_evaluate(*command);
  add_vae_sample(*command);
  add_vae_reconstruct(*command);
  add_vae_traverse(*command);
}

}  // namespace partita::app
