// SPDX-License-Identifier: Apache-2.0
// partita calibrate sets: sets of classes that hold the right one as often as asked.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "apps/command/light/calibrate.hpp"
#include "apps/command/light/calibrate_measure.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/calibration/conformal.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

constexpr auto kScores = names<ConformalScore>({{"lac", ConformalScore::lac},
                                                {"aps", ConformalScore::aps},
                                                {"raps", ConformalScore::raps},
                                                {"saps", ConformalScore::saps}});
constexpr auto kCoverages =
    names<ConformalCoverage>({{"marginal", ConformalCoverage::marginal},
                              {"class-conditional", ConformalCoverage::class_conditional},
                              {"clustered", ConformalCoverage::clustered}});

struct SetsOptions {
  InputOptions held_out;
  InputOptions fresh;  // its labels may be missing
  ConformalOptions conformal;
  std::string weights;
  std::string new_weights;
  CommonOptions common;
  std::string output;
};

/// How often sets hold the right class.
struct Covered {
  double share = 0;
  std::optional<Interval> expected{};  // 95 % of such tests end in it
  std::vector<double> of_class{};      // NaN: no row
  std::vector<std::size_t> rows{};     // of each class
};

struct Outcome {
  std::size_t held_out = 0;
  double effective = 0;  // the rows held out, or as many without weights that say as much
  std::size_t classes = 0;
  PredictionSets sets{};
  std::optional<Covered> covered = {};

  std::size_t rows() const { return sets.start.size() - 1; }
  double mean_size() const {
    return static_cast<double>(sets.classes.size()) / static_cast<double>(rows());
  }
  std::pair<std::size_t, std::size_t> sizes() const {
    std::pair<std::size_t, std::size_t> out{sets.of(0).size(), sets.of(0).size()};
    for (std::size_t r = 1; r < rows(); ++r) {
      out = {std::min(out.first, sets.of(r).size()), std::max(out.second, sets.of(r).size())};
    }
    return out;
  }
};

/// Turns complaints about weights into ones about their file, and others as naming_files does.
template <class Work>
auto naming_weights(const InputOptions& input, const std::string& weights, const Work& work) {
  try {
    return naming_files(input, work);
  } catch (const InvalidArgument& error) {
    if (error.argument() != "weights") throw;
    throw DataError(weights, error.reason());
  }
}

/// What share of new rows in groups is covered, 95 % of the time, by thresholds of each group's
/// held-out rows: beta-binomial, and so nearly normal.
/// @param held_out, fresh rows of each group
Interval expected_share(std::span<const double> held_out, std::span<const std::size_t> fresh,
                        double alpha) {
  const auto rows =
      static_cast<double>(std::accumulate(fresh.begin(), fresh.end(), std::size_t{0}));
  double mean = 0;
  double variance = 0;
  for (std::size_t g = 0; g < fresh.size(); ++g) {
    const double n = held_out[g];
    const double weight = static_cast<double>(fresh[g]) / rows;
    const double each = std::min(1.0, std::ceil((n + 1) * (1 - alpha)) / (n + 1));
    mean += weight * each;
    variance += weight * each * (1 - each) * (weight / (n + 2) + 1 / rows);
  }
  const double half = 1.96 * std::sqrt(variance);
  return {std::max(0.0, mean - half), std::min(1.0, mean + half)};
}

Covered cover(const Outcome& outcome, std::span<const std::int64_t> held_out_labels,
              std::span<const std::int64_t> labels, const ConformalOptions& conformal) {
  Covered out{.of_class = std::vector<double>(outcome.classes),
              .rows = std::vector<std::size_t>(outcome.classes)};
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const auto set = outcome.sets.of(r);
    const auto label = static_cast<std::size_t>(labels[r]);
    const bool held = std::find(set.begin(), set.end(), labels[r]) != set.end();
    out.share += held ? 1 : 0;
    out.of_class[label] += held ? 1 : 0;
    ++out.rows[label];
  }
  const auto n = static_cast<double>(labels.size());
  out.share /= n;
  for (std::size_t k = 0; k < out.rows.size(); ++k) {
    out.of_class[k] /= static_cast<double>(out.rows[k]);
  }
  if (conformal.coverage == ConformalCoverage::marginal) {
    out.expected =
        expected_share({&outcome.effective, 1}, std::vector{labels.size()}, conformal.alpha);
  } else if (conformal.coverage == ConformalCoverage::class_conditional) {
    std::vector<double> held_out(outcome.classes);
    for (const std::int64_t label : held_out_labels) ++held_out[static_cast<std::size_t>(label)];
    out.expected = expected_share(held_out, out.rows, conformal.alpha);
  }
  return out;
}

Outcome make_sets(const SetsOptions& options) {
  const int threads = options.common.threads;
  PredictionsInput held_out(options.held_out, threads);
  PredictionsInput fresh(options.fresh, threads);
  const std::vector<std::int64_t> labels = held_out.labels(options.held_out.labels);
  const Rows rows = held_out.logits();
  const Rows new_rows = fresh.logits();
  if (new_rows.columns() != rows.columns()) {
    throw DataError(options.fresh.logits,
                    fmt::format("{} classes, expected {} as in {}", new_rows.columns(),
                                rows.columns(), options.held_out.logits));
  }
  const Stream stream = Stream{.seed = options.common.seed}.child(kSets);
  Outcome out{.held_out = labels.size(),
              .effective = static_cast<double>(labels.size()),
              .classes = rows.columns()};
  const ConformalOptions& conformal = options.conformal;
  if (options.weights.empty()) {
    const auto predictor = naming_files(options.held_out, [&] {
      return fit_conformal(rows, labels, stream.child(0), conformal, threads);
    });
    out.sets = naming_files(options.fresh, [&] {
      return predict_sets(predictor, new_rows, stream.child(1), {.threads = threads});
    });
  } else {
    const std::vector<double> weights = read_column(options.weights, "the weight");
    const std::vector<double> new_weights = read_column(options.new_weights, "the weight");
    const auto predictor = naming_weights(options.held_out, options.weights, [&] {
      return fit_weighted_conformal(rows, labels, weights, stream.child(0), conformal, threads);
    });
    out.sets = naming_weights(options.fresh, options.new_weights, [&] {
      return predict_sets(predictor, new_rows, new_weights, stream.child(1), {.threads = threads});
    });
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    out.effective =
        sum * sum / std::inner_product(weights.begin(), weights.end(), weights.begin(), 0.0);
  }
  if (!options.fresh.labels.empty()) {
    out.covered = cover(out, labels, fresh.labels(options.fresh.labels), conformal);
  }
  return out;
}

std::string to_csv(const PredictionSets& sets) {
  std::string csv = "size,classes\n";
  for (std::size_t r = 0; r + 1 < sets.start.size(); ++r) {
    csv += fmt::format("{},{}\n", sets.of(r).size(), fmt::join(sets.of(r), " "));
  }
  return csv;
}

Json to_json(const Outcome& outcome, const SetsOptions& options) {
  const auto [least, most] = outcome.sizes();
  Json json = {{"rows", outcome.rows()},
               {"held_out", outcome.held_out},
               {"score", name_of(kScores, options.conformal.score)},
               {"alpha", options.conformal.alpha},
               {"coverage", name_of(options.conformal.coverage)},
               {"mean_size", outcome.mean_size()},
               {"smallest", least},
               {"largest", most}};
  if (!options.weights.empty()) json["effective_rows"] = outcome.effective;
  if (outcome.covered) {
    json["covered"] = outcome.covered->share;
    if (const auto& expected = outcome.covered->expected) {
      json["expected"] = {expected->low, expected->high};
    }
    json["covered_by_class"] = outcome.covered->of_class;
  }
  json["output"] = options.output;
  json["seed"] = options.common.seed;
  return json;
}

std::string to_text(const Outcome& outcome, const SetsOptions& options) {
  const auto [least, most] = outcome.sizes();
  std::string text =
      fmt::format("{}: sets of {:.2f} classes on average ({} to {}), {} for {:g} % by {}{}\n",
                  counted(outcome.rows(), "row"), outcome.mean_size(), least, most,
                  name_of(options.conformal.coverage), 100 * (1 - options.conformal.alpha),
                  counted(outcome.held_out, "held-out row"),
                  options.weights.empty()
                      ? ""
                      : fmt::format(", whose weights leave as much as {:.0f}", outcome.effective));
  if (!outcome.covered) return text;
  const Covered& covered = *outcome.covered;
  text +=
      fmt::format("{:.4f} hold the right class{}\n", covered.share,
                  !covered.expected ? ""
                                    : fmt::format("; expected, 19 times of 20: {:.4f} to {:.4f}",
                                                  covered.expected->low, covered.expected->high));
  std::size_t worst = 0;
  for (std::size_t k = 1; k < covered.rows.size(); ++k) {
    const bool less = covered.of_class[k] < covered.of_class[worst];
    if (covered.rows[k] > 0 && (less || covered.rows[worst] == 0)) worst = k;
  }
  text += fmt::format("least often those of class {}: {:.4f} of {}\n", worst,
                      covered.of_class[worst], counted(covered.rows[worst], "row"));
  return text;
}

void run(const SetsOptions& options) {
  if (options.weights.empty() != options.new_weights.empty()) {
    throw InvalidArgument(options.weights.empty() ? "--weights" : "--new-weights",
                          "missing: those of held-out and new rows go together");
  }
  if (!options.weights.empty() && options.conformal.coverage != ConformalCoverage::marginal) {
    throw InvalidArgument("--coverage", "expected marginal with --weights");
  }
  const Outcome outcome = make_sets(options);
  write_file(options.output, to_csv(outcome.sets));
  if (options.common.json) {
    print_json(to_json(outcome, options));
  } else {
    print(to_text(outcome, options));
  }
  note("wrote " + options.output);
}

}  // namespace

void add_calibrate_sets(CLI::App& app) {
  auto* command = app.add_subcommand("sets", "Sets of classes that hold the right one as promised");
  auto options = std::make_shared<SetsOptions>();
  add_logits(*command, options->held_out);
  add_labels(*command, options->held_out);
  command->add_option("NEW", options->fresh.logits, "the rows to find sets for; as LOGITS")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("--new-labels", options->fresh.labels, "their classes, to say how many are held")
      ->option_text("FILE");
  command
      ->add_option("--alpha", options->conformal.alpha,
                   "the largest share of sets that miss the right class (0.1)")
      ->option_text("A")
      ->check(number("(0, 1)"));
  add_choice(*command, "--score", options->conformal.score, kScores,
             "lac (the smallest sets), aps (the default: larger where rows are hard), raps, saps");
  add_choice(*command, "--coverage", options->conformal.coverage, kCoverages,
             "over which rows the promise is kept: marginal (the default: on average over all), "
             "class-conditional (those of each class, which needs 1/A - 1 rows of it), clustered "
             "(those of classes with similar scores)");
  command
      ->add_option("--penalty", options->conformal.penalty, "of each rank: raps (0.01), saps (0.2)")
      ->option_text("X")
      ->check(number("[0, inf)"));
  command
      ->add_option("--free-rank", options->conformal.free_rank,
                   "raps: ranks that have no penalty (5)")
      ->option_text("N")
      ->check(whole_number(0, 1'000'000'000));
  command
      ->add_option("--weights", options->weights,
                   "for NEW of another kind than LOGITS: how much likelier each row of LOGITS is "
                   "there; up to a constant")
      ->option_text("FILE");
  command->add_option("--new-weights", options->new_weights, "the same of the rows of NEW")
      ->option_text("FILE");
  add_common(*command, options->common);
  add_output(*command, options->output,
             "for each row the size of its set, and its classes, the most likely first", {".csv"})
      ->required();
  command->footer(
      "Example:\n"
      "  partita calibrate sets logits.npy labels.npy new_logits.npy --alpha 0.05 -o sets.csv\n"
      "\n"
      "LOGITS and LABELS are held-out rows, which the network was not trained on.");
  command->callback([options] {
    options->fresh.probabilities = options->held_out.probabilities;
    run(*options);
  });
}

}  // namespace partita::app
