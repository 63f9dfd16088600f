// SPDX-License-Identifier: Apache-2.0
// partita calibrate compare: which calibrator to use, by cross-validation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/command/light/calibrate.hpp"
#include "apps/command/light/calibrate_measure.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/calibration/compare_calibrators.hpp"

namespace partita::app {
namespace {

struct CompareCalibrationOptions {
  InputOptions input;
  std::vector<CalibrationMethod> methods{calibration_methods().begin(),
                                         calibration_methods().end()};
  std::size_t folds = 5;
  MeasureOptions measure;
  OdirPenalty odir = CalibrationOptions{}.odir;
  CommonOptions common;
};

using Compared = std::vector<ComparedCalibrator>;

std::string name(const ComparedCalibrator& each) {
  return each.method ? std::string(name_of(*each.method)) : "none";
}

bool fitted(const ComparedCalibrator& each) { return each.status == FitStatus::converged; }

/// What the number of a method's parameters depends on.
struct Sizes {
  std::size_t classes;
  std::size_t bins;
};

/// How many parameters a method has, to prefer the simpler of two that are alike.
std::size_t parameters(const ComparedCalibrator& each, const Sizes& sizes) {
  const std::size_t classes = sizes.classes;
  using enum CalibrationMethod;
  if (!each.method) return 0;
  switch (*each.method) {
    case temperature:
      return 1;
    case platt:
      return 2;
    case beta:
      return 3;
    case binned_temperature:
      return sizes.bins;
    case vector:
      return 2 * classes;
    case matrix:
    case dirichlet:
      return classes * classes + classes;
    default:
      return classes * classes + classes + 1;  // curves: as many as the rows ask for
  }
}

/// The simplest of those whose distance to the best may be chance.
const ComparedCalibrator& advised(const Compared& all, const Sizes& sizes) {
  const ComparedCalibrator* out = &all.front();
  for (const ComparedCalibrator& each : all) {
    if (!fitted(each) || each.nll_over_best.low > 0) continue;
    if (parameters(each, sizes) < parameters(*out, sizes)) out = &each;
  }
  return *out;
}

std::string advice(const Compared& all, const Sizes& sizes) {
  const ComparedCalibrator& use = advised(all, sizes);
  const std::string best = name(all.front());
  const bool alone = std::none_of(all.begin() + 1, all.end(), [](const auto& each) {
    return fitted(each) && each.nll_over_best.low <= 0;
  });
  if (!all.front().method) {
    return fmt::format("calibrate nothing: every method is worse{}",
                       alone ? " by more than chance" : ", some by no more than chance");
  }
  if (&use == &all.front()) {
    return fmt::format("use {}: {}", best,
                       alone ? "the others are worse by more than chance"
                             : "what is simpler is worse by more than chance");
  }
  if (!use.method) {
    return fmt::format("calibrate nothing: {} is no better than chance would have it", best);
  }
  return fmt::format("use {}, the simplest that {} is not better than by more than chance",
                     name(use), best);
}

Json to_json(const Compared& all, const Sizes& sizes, const CompareCalibrationOptions& options,
             std::size_t rows) {
  Json methods = Json::array();
  for (const ComparedCalibrator& each : all) {
    Json json = {{"method", name(each)}, {"status", name_of(each.status)}};
    json["nll"] = each.nll;
    json["brier"] = each.brier;
    json["smooth_ece"] = each.ece;
    json["nll_over_best"] = {each.nll_over_best.low, each.nll_over_best.high};
    methods.push_back(std::move(json));
  }
  return {{"methods", std::move(methods)},
          {"use", name(advised(all, sizes))},
          {"rows", rows},
          {"folds", options.folds},
          {"resamples", options.measure.resamples},
          {"seed", options.common.seed}};
}

std::string to_text(const Compared& all, const Sizes& sizes,
                    const CompareCalibrationOptions& options, std::size_t rows) {
  std::string text =
      fmt::format("{} of {}, each calibrated without its own fold of {}\n", counted(rows, "row"),
                  counted(sizes.classes, "class", "classes"), options.folds);
  text += fmt::format("  {:<18} {:<8} {:<8} {:<11} {}\n", "method", "nll", "brier", "smooth_ece",
                      "nll more than the best's");
  for (const ComparedCalibrator& each : all) {
    if (!fitted(each)) {
      text += fmt::format("  {:<18} no fit: {}\n", name(each), name_of(each.status));
      continue;
    }
    text += fmt::format("  {:<18} {:<8.5f} {:<8.5f} {:<11.5f}", name(each), each.nll, each.brier,
                        each.ece);
    if (&each != &all.front()) {
      text += fmt::format(" [{:.5f}, {:.5f}]", each.nll_over_best.low, each.nll_over_best.high);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text + advice(all, sizes) + '\n';
}

void run(const CompareCalibrationOptions& options) {
  const PredictionsInput input(options.input, options.common.threads);
  const Predictions predictions = input.predictions();
  const std::vector<std::int64_t> labels = input.labels(options.input.labels);
  Meter meter("comparing");
  const Compared all = naming_files(options.input, [&] {
    return compare_calibrators(predictions, labels,
                               Stream{.seed = options.common.seed}.child(kFolds),
                               {.methods = options.methods,
                                .folds = options.folds,
                                .calibration = {.bins = options.measure.bins,
                                                .equal_mass = options.measure.equal_mass,
                                                .odir = options.odir},
                                .bootstrap = {.resamples = options.measure.resamples,
                                              .threads = options.common.threads,
                                              .progress = meter.progress()}});
  });
  const Sizes sizes{predictions.rows.columns(), options.measure.bins};
  if (options.common.json) {
    print_json(to_json(all, sizes, options, labels.size()));
  } else {
    print(to_text(all, sizes, options, labels.size()));
  }
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const CalibrationMethod method : calibration_methods()) names.emplace_back(name_of(method));
  return names;
}

}  // namespace

void add_calibrate_compare(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "Say which calibrator to use, by cross-validation");
  auto options = std::make_shared<CompareCalibrationOptions>();
  add_logits(*command, options->input);
  add_labels(*command, options->input);
  command
      ->add_option("--folds", options->folds,
                   "parts of the rows, each calibrated by what the others say (5)")
      ->option_text("N")
      ->check(whole_number(2, 1'000'000));
  command
      ->add_option_function<std::vector<std::string>>(
          "--method",
          [options](const std::vector<std::string>& names) {
            options->methods.clear();
            for (const std::string& name : names) {
              options->methods.push_back(value_named(kCalibrationMethods, name).value());
            }
          },
          "compare these alone, as of a language model's many classes; more than once (all)")
      ->option_text("NAME")
      ->check(CLI::IsMember(method_names()));
  add_by(*command, options->input);
  command
      ->add_option("--bins", options->measure.bins, "bins of histogram and binned-temperature (15)")
      ->option_text("N")
      ->check(whole_number(1, 100'000));
  command->add_flag("--equal-mass", options->measure.equal_mass,
                    "histogram: bins hold equally many rows instead of having equal widths");
  add_odir(*command, options->odir);
  command
      ->add_option("--resamples", options->measure.resamples,
                   "bootstrap resamples for 95 % intervals (1000)")
      ->option_text("N")
      ->check(whole_number(2, 1'000'000));
  add_common(*command, options->common);
  command->footer(
      "Example:\n"
      "  partita calibrate compare logits.npy labels.npy --json\n"
      "\n"
      "The last column is the 95 % interval of how much larger the mean NLL is than that of the "
      "best\n"
      "method, over resamples of rows: where it reaches 0, the difference may be chance. Of "
      "those,\n"
      "the simplest is to be used.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
