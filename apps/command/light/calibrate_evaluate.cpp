// SPDX-License-Identifier: Apache-2.0
// partita calibrate evaluate: how well probabilities say how often they are right.
#include <memory>
#include <span>

#include "apps/command/light/calibrate.hpp"
#include "apps/command/light/calibrate_measure.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/terminal.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

struct EvaluateCalibrationOptions {
  InputOptions input;
  MeasureOptions measure;
  CommonOptions common;
};

void run_evaluate(EvaluateCalibrationOptions options) {
  const auto group = command_group({&options.measure.report});
  const PredictionsInput input(options.input, options.common.threads);
  const Predictions predictions = input.predictions();
  const std::vector<std::int64_t> labels = input.labels(options.input.labels);
  CalibrationResult result;
  result.logits = options.input.logits;
  result.evaluated_rows = labels.size();
  result.classes = predictions.rows.columns();
  result.resamples = group->size() > 1 ? 0 : options.measure.resamples;
  result.seed = options.common.seed;
  result.before = naming_files(options.input, [&] {
    const auto [first, count] = own_rows(labels.size(), *group);
    return measure(predictions.slice(first, count), std::span(labels).subspan(first, count),
                   options.measure, options.common, nullptr, *group);
  });
  if (!options.measure.report.empty()) {
    write_file(options.measure.report, calibration_report(result));
  }
  if (options.common.json) {
    Json json = metrics_json(result.before);
    if (result.before.intervals) json["intervals"] = intervals_json(result.before);
    json["bins"] = bins_json(result.before);
    json["rows"] = result.evaluated_rows;
    json["seed"] = options.common.seed;
    print_json(json);
  } else {
    print(result_text(result));
  }
  note_infinite(result.before, "");
  if (!options.measure.report.empty()) note("wrote " + options.measure.report);
}

}  // namespace

void add_calibrate_evaluate(CLI::App& app) {
  auto* command =
      app.add_subcommand("evaluate", "Measure how well probabilities say how often they are right");
  auto options = std::make_shared<EvaluateCalibrationOptions>();
  add_logits(*command, options->input);
  add_labels(*command, options->input);
  add_measure(*command, options->measure, "");
  add_common(*command, options->common);
  add_report(*command, options->measure.report, "reliability diagrams");
  command->footer(
      "Example:\n"
      "  partita calibrate evaluate logits.npy labels.npy --bins 15 --json\n"
      "\n"
      "Several processes divide the rows (partita launch -n 4 -- calibrate evaluate ...), and "
      "give\n"
      "the metrics without intervals.");
  command->callback([options] { run_evaluate(*options); });
}

}  // namespace partita::app
