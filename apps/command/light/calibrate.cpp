// SPDX-License-Identifier: Apache-2.0
// partita calibrate: fit a calibrator on held-out logits, apply it, evaluate probabilities.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/light/calibrate.hpp"
#include "apps/command/light/calibrate_measure.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/internal/labeled_rows.hpp"
#include "partita/io/array_file.hpp"
#include "partita/io/file.hpp"
#include "partita/random/shuffle.hpp"

namespace partita::app {
namespace {

struct FitOptions {
  InputOptions input;
  CalibrationMethod method = CalibrationMethod::temperature;
  double split = 1;
  OdirPenalty odir = CalibrationOptions{}.odir;
  MeasureOptions measure;
  CommonOptions common;
  std::string output;
};

struct ApplyOptions {
  std::string calibrator;
  InputOptions input;
  CommonOptions common;
  std::string output;
};

/// Rows in a random order: the first part is fitted, the rest evaluated. Each has at least one.
std::pair<LabeledRows, LabeledRows> split_rows(const Predictions& predictions,
                                               std::span<const std::int64_t> labels, double share,
                                               const Stream& stream) {
  if (labels.size() < 2) throw InvalidArgument("--split", "1 row cannot be split");
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, stream);
  const auto wanted =
      static_cast<std::size_t>(std::llround(share * static_cast<double>(order.size())));
  const std::size_t fitted = std::clamp<std::size_t>(wanted, 1, order.size() - 1);
  const std::span<const std::size_t> all = order;
  return {copy_rows(predictions, labels, all.first(fitted)),
          copy_rows(predictions, labels, all.subspan(fitted))};
}

/// Says that probabilities of 0 are not taken as they are where their logarithms must be finite.
void note_zeros(const Predictions& predictions, CalibrationMethod method, const std::string& file) {
  using enum CalibrationMethod;
  const bool finite = method != temperature && method != binned_temperature && method != isotonic &&
                      method != histogram;
  if (!finite || !predictions.are_probabilities) return;
  const Rows rows = predictions.rows;
  std::size_t zeros = 0;
  visit(rows.dtype(), [&]<Element T>(T) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const T* const row = rows.row_data<T>(r);
      zeros += static_cast<std::size_t>(std::count_if(
          row, row + rows.columns(), [](T p) { return static_cast<double>(p) == 0; }));
    }
  });
  if (zeros == 0) return;
  note(fmt::format("partita: warning: {}: {} of 0 count as {:.2g} in {} scaling", file,
                   zeros == 1 ? "1 probability" : fmt::format("{} probabilities", grouped(zeros)),
                   least_probability(rows.dtype()), name_of(method)));
}

CalibrationResult fit(const FitOptions& options, Group& group) {
  const PredictionsInput input(options.input, options.common.threads);
  const Predictions all = input.predictions();
  const std::vector<std::int64_t> labels = input.labels(options.input.labels);
  note_zeros(all, options.method, options.input.logits);
  const bool split = options.split < 1;
  if (split && group.size() > 1) {
    throw InvalidArgument("--split", "is for one process: several fit and evaluate all rows");
  }
  std::optional<std::pair<LabeledRows, LabeledRows>> parts;
  if (split) {
    parts =
        split_rows(all, labels, options.split, Stream{.seed = options.common.seed}.child(kSplit));
  }
  const auto [first, count] = own_rows(labels.size(), group);
  const LabeledRows own{{},
                        {},
                        all.slice(first, count),
                        {labels.begin() + static_cast<std::ptrdiff_t>(first),
                         labels.begin() + static_cast<std::ptrdiff_t>(first + count)}};
  const LabeledRows& fitted = split ? parts->first : own;
  const LabeledRows& evaluated = split ? parts->second : own;

  CalibrationResult result;
  result.logits = options.input.logits;
  result.split = split;
  result.fitted_rows = split ? fitted.labels.size() : labels.size();
  result.evaluated_rows = split ? evaluated.labels.size() : labels.size();
  result.classes = all.rows.columns();
  result.resamples = group.size() > 1 ? 0 : options.measure.resamples;
  result.seed = options.common.seed;
  {
    Meter meter("fitting");
    result.fit = fit_calibrator(options.method, fitted.predictions, fitted.labels, group,
                                {.bins = options.measure.bins,
                                 .equal_mass = options.measure.equal_mass,
                                 .odir = options.odir},
                                options.common.threads, meter.progress());
  }
  result.before = measure(evaluated.predictions, evaluated.labels, options.measure, options.common,
                          nullptr, group);
  if (!result.fit->calibrator) return result;
  const Calibrator& calibrator = *result.fit->calibrator;
  result.after = measure(evaluated.predictions, evaluated.labels, options.measure, options.common,
                         &calibrator, group);
  const auto* t = std::get_if<TemperatureScaling>(&calibrator.parameters());
  if (t != nullptr && !options.measure.report.empty() && group.size() == 1) {
    result.curve =
        nll_curve(fitted.predictions, fitted.labels, t->temperature, options.common.threads);
  }
  return result;
}

Json fit_json(const CalibrationResult& result, const FitOptions& options) {
  const FitReport& report = result.fit->report;
  const auto& calibrator = result.fit->calibrator;
  Json json{{"method", name_of(kCalibrationMethods, options.method)}};
  if (options.method == CalibrationMethod::temperature) {
    json["temperature"] =
        calibrator ? Json(std::get<TemperatureScaling>(calibrator->parameters()).temperature)
                   : Json(nullptr);
  }
  json["status"] = name_of(report.status);
  json["iterations"] = report.iterations;
  json["gradient_residual"] = report.gradient_residual;
  json["before"] = metrics_json(result.before);
  json["after"] = result.after ? metrics_json(*result.after) : Json(nullptr);
  if (result.before.intervals && result.after) {
    json["intervals"] = {{"before", intervals_json(result.before)},
                         {"after", intervals_json(*result.after)}};
  }
  json["fitted_rows"] = result.fitted_rows;
  json["evaluated_rows"] = result.evaluated_rows;
  json["calibrator"] = result.after ? Json(options.output) : Json(nullptr);
  json["seed"] = options.common.seed;
  return json;
}

void run_fit(FitOptions options) {
  if (!options.input.by.empty() && options.method != CalibrationMethod::binned_temperature) {
    throw InvalidArgument("--by", "used by --method binned-temperature alone");
  }
  const auto group = command_group({&options.measure.report});
  const CalibrationResult result =
      naming_files(options.input, [&] { return fit(options, *group); });
  const FitStatus status = result.fit->report.status;
  if (result.fit->calibrator && group->rank() == 0) {
    write_file(options.output, result.fit->calibrator->to_json());
    if (!options.measure.report.empty()) {
      write_file(options.measure.report, calibration_report(result));
    }
  }
  if (options.common.json) print_json(fit_json(result, options));
  if (!result.fit->calibrator) {
    throw DataError(options.input.logits,
                    fmt::format("no calibrator ({}): {}", name_of(status), explain(status)));
  }
  if (!options.common.json) print(result_text(result));
  note_infinite(*result.after, " after");
  note("wrote " + options.output);
  if (!options.measure.report.empty()) note("wrote " + options.measure.report);
}

void run_apply(const ApplyOptions& options) {
  const Calibrator calibrator =
      Calibrator::from_json(read_file(options.calibrator), options.calibrator);
  const auto* binned = std::get_if<BinnedTemperature>(&calibrator.parameters());
  const bool by = binned != nullptr && !binned->of_entropy;
  if (by != !options.input.by.empty()) {
    throw InvalidArgument("--by",
                          fmt::format("{}: {} was fitted {} it", by ? "required" : "not used",
                                      options.calibrator, by ? "with" : "without"));
  }
  const PredictionsInput input(options.input, options.common.threads);
  const Predictions predictions = input.predictions();
  const Rows rows = predictions.rows;
  if (rows.columns() != calibrator.classes()) {
    throw DataError(options.input.logits,
                    fmt::format("{} classes, expected {} as {} has", rows.columns(),
                                calibrator.classes(), options.calibrator));
  }
  note_zeros(predictions, calibrator.method(), options.input.logits);
  const auto write = [&]<class T>(T) {
    std::vector<T> out(rows.rows() * rows.columns());
    naming_files(options.input, [&] {
      calibrator.transform(predictions, {out.data(), rows.rows(), rows.columns()},
                           {.threads = options.common.threads});
    });
    save_array(options.output, std::span<const T>(out), rows.rows(), rows.columns());
  };
  const bool wide = rows.dtype() == DType::f64;
  wide ? write(double{}) : write(float{});
  const char* const what = options.input.probabilities ? "probabilities" : "log-probabilities";
  if (options.common.json) {
    print_json({{"output", options.output},
                {"contents", what},
                {"rows", rows.rows()},
                {"classes", rows.columns()}});
  } else {
    note(fmt::format("wrote {}: {}, float{} ({}, {})", options.output, what, wide ? 64 : 32,
                     rows.rows(), rows.columns()));
  }
}

void add_fit(CLI::App& app) {
  auto* command = app.add_subcommand("fit", "Fit a calibrator on held-out logits and their labels");
  auto options = std::make_shared<FitOptions>();
  add_logits(*command, options->input);
  add_labels(*command, options->input);
  add_choice(*command, "--method", options->method, kCalibrationMethods,
             "temperature (the default), vector, matrix, isotonic, histogram, dirichlet; platt and "
             "beta for two classes; binned-temperature for rows of several kinds, as tokens are");
  add_by(*command, options->input);
  add_odir(*command, options->odir);
  command
      ->add_option("--split", options->split,
                   "fit on this share of the rows, drawn by the seed, and evaluate on the rest "
                   "(1: both on all)")
      ->option_text("SHARE")
      ->check(number("(0, 1]"));
  add_measure(*command, options->measure, ", and of --method histogram and binned-temperature");
  add_common(*command, options->common);
  add_output(*command, options->output, "the calibrator, as JSON")->required();
  add_report(*command, options->measure.report, "reliability diagrams");
  command->footer(
      "Example:\n"
      "  partita calibrate fit outputs.npz:logits outputs.npz:labels -o calibrator.json "
      "--report report.html\n"
      "\n"
      "Prints the temperature and the metrics before and after. Where no temperature is best\n"
      "(status other than converged) nothing is written, and the exit status is 1.\n"
      "\n"
      "Several processes divide the rows, for a temperature and the metrics without intervals:\n"
      "  partita launch -n 4 -- calibrate fit logits.npy labels.npy -o calibrator.json");
  command->callback([options] { run_fit(*options); });
}

void add_apply(CLI::App& app) {
  auto* command = app.add_subcommand("apply", "Calibrate logits");
  auto options = std::make_shared<ApplyOptions>();
  command->add_option("CALIBRATOR", options->calibrator, "written by partita calibrate fit")
      ->option_text("FILE")
      ->required();
  add_logits(*command, options->input);
  add_by(*command, options->input);
  add_common(*command, options->common);
  add_output(*command, options->output,
             "log-probabilities (probabilities with --probabilities), as .npy or .csv",
             {".npy", ".csv"})
      ->required();
  command->footer(
      "Example:\n"
      "  partita calibrate apply calibrator.json logits.npy -o calibrated.npy\n"
      "\n"
      "Applying draws no numbers: --seed changes nothing here.");
  command->callback([options] { run_apply(*options); });
}

}  // namespace

void add_calibrate(CLI::App& app) {
  auto* command = app.add_subcommand(
      "calibrate", "Fit, apply and evaluate calibrators: probabilities that can be trusted");
  command->require_subcommand(1);
  add_fit(*command);
  add_apply(*command);
  add_calibrate_evaluate(*command);
  add_calibrate_compare(*command);
  add_calibrate_sets(*command);
  add_calibrate_samples(*command);
}

}  // namespace partita::app
