// partita openset: classifiers that know what they do not know, trained and put to use.
#include <fmt/format.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "apps/command/commands.hpp"
#include "apps/command/learn/openset_score.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/openset/experiment.hpp"
#include "apps/experiments/openset/report.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Json variant_json(const OpensetVariant& variant, const OpensetOptions& options) {
  Json confidence = Json::array();
  for (const OpensetConfidence& set : variant.confidence) {
    confidence.push_back(
        {{"set", set.set}, {"examples", set.values.size()}, {"mean", mean(set.values)}});
  }
  Json detection = Json::array();
  for (const OpensetDetection& d : variant.detection) {
    detection.push_back({{"set", d.set},
                         {"score", d.score},
                         {"auroc", d.metrics.auroc},
                         {"aupr_in", d.metrics.aupr_in},
                         {"aupr_out", d.metrics.aupr_out},
                         {"tnr_at_95_tpr", 1 - d.metrics.fpr_at_95_tpr},
                         {"detection_accuracy", d.metrics.detection_accuracy}});
  }
  Json json = {{"name", variant.name},
               {"accuracy", variant.accuracy},
               {"nll", variant.nll},
               {"confidence", std::move(confidence)},
               {"detection", std::move(detection)}};
  if (is_toy(options)) {
    json["confidence_around_classes"] = variant.confidence_around_classes;
    json["confidence_off_classes"] = variant.confidence_off_classes;
    if (!variant.generated.x.empty()) json["generated_outside"] = variant.generated_outside;
  }
  json["steps"] = variant.steps;
  json["seconds"] = variant.seconds;
  return json;
}

Json summary_json(const OpensetResult& result, const OpensetOptions& options) {
  Json variants = Json::array();
  for (const OpensetVariant& variant : result.variants) {
    variants.push_back(variant_json(variant, options));
  }
  return {{"data", options.data},
          {"classes", result.classes},
          {"loss", options.loss},
          {"beta", options.beta},
          {"variants", std::move(variants)},
          {"model", options.output},
          {"report", options.report},
          {"seed", options.seed}};
}

std::string summary_text(const OpensetResult& result, const OpensetOptions& options) {
  std::string out;
  for (const OpensetVariant& variant : result.variants) {
    out += fmt::format("{}: accuracy {:.4f}, NLL {:.4f}, {} steps in {:.1f} s\n", variant.name,
                       variant.accuracy, variant.nll, variant.steps, variant.seconds);
    if (is_toy(options)) {
      out +=
          fmt::format("  mean confidence on the map: {:.4f} around the classes, {:.4f} off them\n",
                      variant.confidence_around_classes, variant.confidence_off_classes);
    }
    for (const OpensetConfidence& set : variant.confidence) {
      out += fmt::format("  mean confidence, {}: {:.4f}\n", set.set, mean(set.values));
    }
    for (const OpensetDetection& d : variant.detection) {
      out += fmt::format("  {} by {}: AUROC {:.4f}, TNR at 95 % TPR {:.4f}\n", d.set, d.score,
                         d.metrics.auroc, 1 - d.metrics.fpr_at_95_tpr);
    }
  }
  return out;
}

void train(OpensetOptions& options, const CommonOptions& common) {
  options.seed = common.seed;
  options.threads = common.threads;
  options.compare = !options.report.empty();
  const OpensetResult result = run_openset(options);
  if (!options.report.empty()) write_file(options.report, openset_report(result, options));
  if (common.json) {
    print_json(summary_json(result, options));
  } else {
    print(summary_text(result, options));
  }
  for (const std::string& path : {options.output, options.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

void add_train(CLI::App& openset) {
  const auto not_negative = number([](double x) { return x >= 0; }, "of at least 0");
  auto* command = openset.add_subcommand(
      "train", "Train a classifier to be unsure about inputs from none of its classes");
  auto options = std::make_shared<OpensetOptions>();
  auto common = std::make_shared<CommonOptions>();
  const auto add = [&](const char* flag, auto& value, const std::string& description,
                       const char* name) {
    return command->add_option(flag, value, description)->option_text(name);
  };
  const auto count = [&](const char* flag, auto& value, const std::string& description) {
    add(flag, value, fmt::format("{} ({})", description, value), "N")
        ->check(whole_number(1, 1U << 31U));
  };
  add("--data", options->data,
      "rendered: digits and letters in this machine's fonts; toy: two Gaussians in the plane; or a "
      "directory of IDX images and labels, gzip or not (rendered)",
      "DIR");
  add("--known", options->known, "classes of DIR to learn (0-4)", "CLASSES");
  add("--unknown", options->unknown, "classes of DIR that stand for the unknown (5-9)", "CLASSES");
  add("--evaluate", options->evaluate,
      "tell the known from the images of this directory, too; "
      "may be given again",
      "DIR");
  add("--loss", options->loss,
      "cross-entropy; confidence: with a given out-set; joint: with a GAN that finds one "
      "(cross-entropy)",
      "NAME")
      ->check(CLI::IsMember({"cross-entropy", "confidence", "joint"}));
  add("--out-set", options->out_set,
      "what --loss confidence is given as the unknown: far or border for toy (border); a directory "
      "of images (the unknown classes of the training images)",
      "SET");
  add("--beta", options->beta, "weight of the confidence loss (1)", "B")->check(not_negative);
  add("--generator-loss", options->generator_loss, "non-saturating or saturating (non-saturating)",
      "NAME")
      ->check(CLI::IsMember({"non-saturating", "saturating"}));
  count("--steps", options->steps, "steps of training");
  count("--batch", options->batch, "examples of a step");
  count("--train-images", options->train_images, "use at most N images of each set");
  count("--width", options->width, "channels of the first layers for images");
  add("--learning-rate", options->learning_rate, "Adam's (2e-4)", "R")
      ->check(number([](double x) { return x > 0; }, "above 0"));
  add("--beta1", options->beta1, "Adam's; its beta2 is 0.999 (0.5)", "B")
      ->check(number([](double x) { return x >= 0 && x < 1; }, "of at least 0 and below 1"));
  add("--warm-up", options->warm_up, "begin with N steps of cross-entropy, part of --steps (0)",
      "N")
      ->check(whole_number(0, 1U << 31U));
  add("--clip-norm", options->clip_norm, "scale longer gradients down to this norm (0: never)", "C")
      ->check(not_negative);
  add_run(*command, options->run);
  add_common(*command, *common);
  add_output(*command, options->output, "the trained classifier");
  add_report(*command, options->report, "figures; trains what is compared with, too");
  command->footer(
      "Example:\n"
      "  partita openset train --data toy --loss joint --report report.html -o toy.model\n"
      "\n"
      "The losses are those of Lee, Lee, Lee, Shin (2018), arXiv 1711.09325. Known examples are "
      "the "
      "positive\nside of all figures. A killed run with --checkpoint, given again, ends with the "
      "same weights.");
  command->callback([options, common] { train(*options, *common); });
}

}  // namespace

void add_openset(CLI::App& app) {
  auto* command = app.add_subcommand(kOpenset.name, kOpenset.description);
  command->require_subcommand(1);
  add_train(*command);
  add_openset_score(*command);
}

}  // namespace partita::app
