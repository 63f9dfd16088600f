// partita vae: variational auto-encoders, trained and put to use.
#include "apps/command/learn/vae.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "apps/command/commands.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/vae/experiment.hpp"
#include "apps/experiments/vae/report.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

Json summary_json(const VaeResult& result, const VaeTrainOptions& options) {
  Json variants = Json::array();
  for (const VaeVariant& v : result.variants) {
    variants.push_back({{"name", v.name},
                        {"steps", v.steps},
                        {"seconds", v.seconds},
                        {"train_loss", v.train_loss},
                        {"elbo", v.elbo},
                        {"elbo_error", v.elbo_error},
                        {"reconstruction", v.reconstruction},
                        {"kl", v.kl},
                        {"spread", v.spread}});
  }
  return {{"data", options.data},
          {"train_images", result.train_images},
          {"test_images", result.test_images},
          {"latent", options.latent},
          {"latent_dim", result.latent_dim},
          {"decoder", options.decoder},
          {"objective", options.objective},
          {"estimator", result.estimator},
          {"samples", result.samples},
          {"epochs", result.epochs},
          {"variants", std::move(variants)},
          {"model", options.output},
          {"report", options.report},
          {"seed", options.seed}};
}

std::string summary_text(const VaeResult& result) {
  std::string out;
  for (const VaeVariant& v : result.variants) {
    out += fmt::format(
        "{}: {} steps in {:.1f} s\n"
        "  test images, nats each: ELBO {}, reconstruction {:.2f}, KL {:.2f}; spread of z {:.2f}\n",
        v.name, grouped(v.steps), v.seconds, with_error(v.elbo, v.elbo_error), v.reconstruction,
        v.kl, v.spread);
  }
  return out;
}

void train(VaeTrainOptions& options, const CommonOptions& common) {
  options.seed = common.seed;
  options.threads = common.threads;
  const VaeResult result = run_vae(options);
  if (!options.report.empty()) write_file(options.report, vae_report(result, options));
  if (common.json) {
    print_json(summary_json(result, options));
  } else {
    print(summary_text(result));
  }
  for (const std::string& path : {options.output, options.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

void add_model_options(CLI::App& command, VaeTrainOptions& options) {
  const std::string group = "Model";
  command
      .add_option("--latent", options.latent,
                  "gaussian: numbers; concrete: one-hot vectors, whose gradient an --estimator "
                  "finds (gaussian)")
      ->option_text("NAME")
      ->group(group)
      ->check(CLI::IsMember({"gaussian", "concrete"}));
  command.add_option("--latent-dim", options.latent_dim, "numbers, or one-hot vectors (20)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(1, 10'000));
  command.add_option("--categories", options.categories, "size of each one-hot vector (10)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(2, 10'000));
  command
      .add_option("--decoder", options.decoder,
                  "bernoulli: binarized pixels; gaussian: grays, with one learned "
                  "deviation (bernoulli)")
      ->option_text("NAME")
      ->group(group)
      ->check(CLI::IsMember({"bernoulli", "gaussian"}));
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
  command
      .add_option("--objective", options.objective,
                  "elbo, its KL term in closed form; iwae: the importance-weighted bound (elbo)")
      ->option_text("NAME")
      ->group(group)
      ->check(CLI::IsMember({"elbo", "iwae"}));
  command
      .add_option("--samples", options.samples,
                  "samples of z per step and image: k of iwae (5; for elbo 1, or 2 where the "
                  "estimator needs it)")
      ->option_text("K")
      ->group(group)
      ->check(whole_number(1, 10'000));
  command
      .add_option("--estimator", options.estimator,
                  "for the gradient through one-hot vectors: concrete, st-gumbel, reinforce-loo, "
                  "rebar, relax, unordered-set (concrete)")
      ->option_text("NAME")
      ->group(group)
      ->check(CLI::IsMember(
          {"concrete", "st-gumbel", "reinforce-loo", "rebar", "relax", "unordered-set"}));
  command.add_option("--temperature", options.temperature, "temperature of the relaxations (0.5)")
      ->option_text("T")
      ->group(group)
      ->check(number([](double t) { return t > 0; }, "above 0"));
  command
      .add_option("--without", options.without,
                  "leave out a term of the ELBO: regularizer or reconstruction")
      ->option_text("TERM")
      ->group(group)
      ->check(CLI::IsMember({"regulariser", "regularizer", "reconstruction"}));
  command
      .add_flag("--ablations", options.ablations,
                "train without each of the terms, too: side by side in the report")
      ->group(group);
}

void add_training_options(CLI::App& command, VaeTrainOptions& options) {
  const std::string group = "Training";
  const auto add = [&](const char* flag, auto& value, const char* description, const char* name) {
    return command.add_option(flag, value, description)->option_text(name)->group(group);
  };
  const auto positive = number([](double x) { return x > 0; }, "above 0");
  const auto decay = number([](double x) { return x >= 0 && x < 1; }, "of at least 0 and below 1");
  add("--preset", options.preset,
      "iwae-1l: latent 50, hidden 200,200, batch 20, learning rate 0.001 in the 3^i schedule, "
      "Adam's "
      "epsilon 1e-4, 3280 epochs, nothing held out. What else is given goes before",
      "NAME")
      ->check(CLI::IsMember({"iwae-1l"}));
  add("--epochs", options.epochs, "passes over the images (20)", "N")->check(positive);
  add("--batch", options.batch, "images of a step (64)", "N")->check(whole_number(1, 1U << 20U));
  add("--learning-rate", options.learning_rate, "Adam's (0.001)", "R")->check(positive);
  add("--schedule", options.schedule,
      "constant, or iwae: 3^i epochs at 10^(-i/7) of the learning rate, i = 0 ... 7 (constant)",
      "NAME")
      ->check(CLI::IsMember({"constant", "iwae"}));
  add("--beta1", options.beta1, "Adam's (0.9)", "B")->check(decay);
  add("--beta2", options.beta2, "Adam's (0.999)", "B")->check(decay);
  add("--epsilon", options.epsilon, "Adam's (1e-8)", "E")->check(positive);
  add("--clip-norm", options.clip_norm, "scale longer gradients down to this norm (0: never)", "C")
      ->check(number([](double x) { return x >= 0; }, "of at least 0"));
  add("--binarization", options.binarization,
      "dynamic: other bits in every step; fixed: the same, by the seed (dynamic)", "NAME")
      ->check(CLI::IsMember({"dynamic", "fixed"}));
  add("--held-out", options.held_out,
      "share of the training images that is only evaluated, after every epoch (0.05)", "P")
      ->check(decay);
  add("--patience", options.patience,
      "stop after N epochs without a better held-out loss, and keep the best (0: never)", "N")
      ->check(whole_number(0, 1U << 30U));
  add_run(command, options.run, group);
}

void add_train(CLI::App& vae) {
  auto* command = vae.add_subcommand("train", "Train an encoder and a decoder on images");
  auto options = std::make_shared<VaeTrainOptions>();
  auto common = std::make_shared<CommonOptions>();
  command
      ->add_option("--data", options->data,
                   "rendered: digits in this machine's fonts; or a directory of IDX images and "
                   "labels, gzip or not (rendered)")
      ->option_text("DIR");
  command
      ->add_option("--train-images", options->train_images,
                   "use at most N images (all; of rendered ones 10000)")
      ->option_text("N")
      ->check(whole_number(1, 1U << 30U));
  add_model_options(*command, *options);
  add_objective_options(*command, *options);
  add_training_options(*command, *options);
  add_common(*command, *common);
  add_output(*command, options->output, "the trained model");
  add_report(*command, options->report, "pictures");
  command->footer(
      "Example:\n"
      "  partita vae train --latent-dim 2 --epochs 40 --ablations --report vae.html -o vae.model\n"
      "\n"
      "Reconstruction is -E log p(x|z), KL is from the posterior of z to its prior, the ELBO minus "
      "their sum.\nSpread is the standard deviation of z over the test images, 1 under the prior. "
      "A killed run with\n--checkpoint, given again, ends with the same weights.");
  command->callback([options, common] { train(*options, *common); });
}

}  // namespace

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
