// SPDX-License-Identifier: Apache-2.0
// partita openset: classifiers that know what they do not know, trained and put to use.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/command/learn/openset_score.hpp"
#include "apps/command/learn/openset_summary.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/openset/experiment.hpp"
#include "apps/experiments/openset/report.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

/// What --data names; all else is a directory.
constexpr auto kSources =
    names<OpensetSource>({{"toy", OpensetSource::toy}, {"rendered", OpensetSource::rendered}});

struct OpensetCommand {
  OpensetOptions experiment;
  std::string known;
  std::string unknown;
  std::string out_set;
  std::string report;
  CommonOptions common;
};

/// A list of classes: "0-4,7" is 0, 1, 2, 3, 4 and 7.
std::vector<std::uint8_t> parse_classes(const char* option, std::string_view text) {
  std::vector<std::uint8_t> classes;
  const auto fail = [&] {
    throw InvalidArgument(option, fmt::format("expected classes as 0-4,7, got {}", text));
  };
  const auto number = [&](std::string_view digits) {
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) fail();
    return value;
  };
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view item = text.substr(at, comma - at);
    const std::size_t dash = item.find('-');
    const std::uint8_t first = number(item.substr(0, dash));
    const std::uint8_t last =
        dash == std::string_view::npos ? first : number(item.substr(dash + 1));
    if (last < first) fail();
    for (int c = first; c <= last; ++c) classes.push_back(static_cast<std::uint8_t>(c));
    at = comma + 1;
  }
  return classes;
}

/// What --out-set names: a source of unknown points, or of images shell or a directory.
void take_out_set(const std::string& out_set, OpensetOptions& options) {
  const auto named = value_named(kOutSets, out_set);
  if (named && (is_toy(options) || *named == OutSet::shell)) {
    options.out_set = *named;
  } else if (options.source == OpensetSource::directory) {
    options.given = out_set;
  } else {
    const char* const expected =
        is_toy(options) ? "far, near, box, border or shell for toy" : "shell for rendered";
    throw InvalidArgument("--out-set", fmt::format("expected {}, got {}", expected, out_set));
  }
}

/// The options as the experiment takes them, after checking that they go together.
OpensetOptions experiment_of(const OpensetCommand& command) {
  OpensetOptions options = command.experiment;
  const bool directory = options.source == OpensetSource::directory;
  const auto only = [&](bool given, const char* option, bool fits, const char* where) {
    if (given && !fits) throw InvalidArgument(option, fmt::format("applies only to {}", where));
  };
  const char* const directories = "a directory of images as --data";
  only(!command.known.empty(), "--known", directory, directories);
  only(!command.unknown.empty(), "--unknown", directory, directories);
  only(!options.evaluate.empty(), "--evaluate", directory, directories);
  const bool out_set = !command.out_set.empty();
  const bool gan = options.loss == OpensetLoss::joint || options.loss == OpensetLoss::held;
  only(out_set, "--out-set",
       options.loss == OpensetLoss::confidence || options.loss == OpensetLoss::held,
       "--loss confidence and held");
  only(options.entropy_weight > 0, "--entropy-weight", gan, "--loss joint and held");
  only(options.reject, "--reject", options.loss != OpensetLoss::cross_entropy,
       "losses with examples of the unknown");
  if (options.loss == OpensetLoss::held) options.out_set = OutSet::box;
  if (!command.known.empty()) options.known = parse_classes("--known", command.known);
  if (!command.unknown.empty()) options.unknown = parse_classes("--unknown", command.unknown);
  if (out_set) take_out_set(command.out_set, options);
  options.controls = !command.report.empty();
  options.seed = command.common.seed;
  options.threads = command.common.threads;
  return options;
}

void train(OpensetCommand& command) {
  OpensetOptions options = experiment_of(command);
  options.run.group = command_group({&options.output, &command.report, &options.run.log});
  const OpensetResult result = run_openset(options, meters());
  if (!command.report.empty())
    write_file(command.report, openset_report(result, options, command_line()));
  if (command.common.json) {
    print_json(summary_json(result, options, command.report));
  } else {
    print(summary_text(result, options));
  }
  for (const std::string& path : {options.output, command.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

void add_train(CLI::App& openset) {
  const auto not_negative = number("[0, inf)");
  auto* command = openset.add_subcommand(
      "train", "Train a classifier to be unsure about inputs from none of its classes");
  auto all = std::make_shared<OpensetCommand>();
  OpensetOptions* const options = &all->experiment;
  const auto add = [&](const char* flag, auto& value, const std::string& description,
                       const char* name) {
    return command->add_option(flag, value, description)->option_text(name);
  };
  const auto count = [&](const char* flag, auto& value, const std::string& description) {
    add(flag, value, fmt::format("{} ({})", description, value), "N")
        ->check(whole_number(1, 1U << 31U));
  };
  command
      ->add_option_function<std::string>(
          "--data",
          [options](const std::string& data) {
            options->source = value_named(kSources, data).value_or(OpensetSource::directory);
            if (options->source == OpensetSource::directory) options->directory = data;
          },
          "rendered: digits and letters in the DejaVu fonts; toy: two Gaussians in the plane; or a "
          "directory of IDX images and labels, gzip or not, or of color images: CIFAR's binary "
          "files, "
          "or train.npz and test.npz with images [N, rows, columns, 3] and labels (rendered)")
      ->option_text("DIR");
  add("--known", all->known, "classes of DIR to learn (0-4)", "CLASSES");
  add("--unknown", all->unknown, "classes of DIR that stand for the unknown (5-9)", "CLASSES");
  add("--evaluate", options->evaluate,
      "also tell the known from the images of this directory; "
      "may be repeated",
      "DIR");
  add_choice(*command, "--loss", options->loss, kOpensetLosses,
             "cross-entropy; confidence: with a given out-set; held: half of the steps so, then a "
             "GAN against the classifier held fixed; joint: with a GAN that finds an out-set "
             "(cross-entropy)");
  add("--out-set", all->out_set,
      "what is given as the unknown. For toy, far and near: 100 points of a square of side 100 or "
      "40; box: 2000 of the map's; border: those around the classes; shell: the outskirts of "
      "Gaussians fitted to the classes (border; box if held). For images, shell: the same of the "
      "last layer's inputs; or a directory (the unknown classes of the training images)",
      "SET");
  command->add_flag("--reject", options->reject,
                    "add a class for none of the classes, which is what the unknown should be, in "
                    "place of uniform probabilities");
  add("--beta", options->beta, "weight of the confidence loss (1)", "B")->check(not_negative);
  add_choice(*command, "--generator-loss", options->generator_loss, kGeneratorLosses,
             "non-saturating, saturating or fence: to where the discriminator is undecided "
             "(non-saturating)");
  add("--entropy-weight", options->entropy_weight,
      "weight of the entropy of the samples in the generator's loss: 1 or 2 for toy (0)", "W")
      ->check(not_negative);
  add_choice(*command, "--entropy", options->entropy, kEntropies,
             "its estimate: nearest-neighbor or pull-away (nearest-neighbor)");
  count("--steps", options->steps, "steps of training");
  count("--batch", options->batch, "examples per step");
  count("--train-images", options->train_images, "use at most N images of each set");
  add("--width", options->width,
      "channels of the first layers for images, units of a layer for toy (16; 128 for toy)", "N")
      ->check(whole_number(1, 1U << 31U));
  add("--learning-rate", options->learning_rate, "Adam's (2e-4)", "R")->check(number("(0, inf)"));
  add("--decay", options->decay, "divide the learning rate by 10 from step N on (0: never)", "N")
      ->check(whole_number(0, 1U << 31U));
  add("--beta1", options->beta1, "Adam's, of the classifier; its beta2 is 0.999 (0.9)", "B")
      ->check(number("[0, 1)"));
  add("--gan-beta1", options->gan_beta1, "the same of generator and discriminator (0.5)", "B")
      ->check(number("[0, 1)"));
  add("--warm-up", options->warm_up, "begin with N steps of cross-entropy, part of --steps (0)",
      "N")
      ->check(whole_number(0, 1U << 31U));
  add("--clip-norm", options->clip_norm, "scale longer gradients down to this norm (0: never)", "C")
      ->check(not_negative);
  add_run(*command, options->run);
  add_common(*command, all->common);
  add_output(*command, options->output, "the trained classifier");
  add_report(*command, all->report, "figures; also trains the baselines that they compare with");
  command->footer(
      "Example:\n"
      "  partita openset train --data toy --loss joint --entropy-weight 1 --learning-rate 1e-3 \\\n"
      "    --report report.html -o toy.model\n"
      "\n"
      "The losses are those of Lee, Lee, Lee, Shin (2018), arXiv 1711.09325; fence is Ngo et al. "
      "(2019),\nshell Du et al. (2022), the reject class Vernekar et al. (2019). Known examples "
      "are "
      "the positive\nside of all figures. A killed run with --checkpoint, given again, ends with "
      "the "
      "same weights.");
  command->callback([all] { train(*all); });
}

}  // namespace

void add_openset(CLI::App& app) {
  auto* command = app.add_subcommand(kOpenset.name, kOpenset.description);
  command->require_subcommand(1);
  add_train(*command);
  add_openset_score(*command);
}

}  // namespace partita::app
