// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/detect_score.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "apps/command/options.hpp"
#include "apps/command/whole_number.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::app {
namespace {

using enum DetectionScore;

constexpr std::size_t kChunkRows = 4096;  // scored between two updates of the meter

/// The largest of given probabilities is msp itself.
DetectionScore effective(const ScoreOptions& options) {
  const bool given = options.files.probabilities && options.score == msp;
  return given && options.settings.temperature == 1 ? max_logit : options.score;
}

/// Turns the library's complaint about an argument into one about its option or file.
template <class Work>
auto naming_options(const DetectionFileOptions& files, const Work& work) {
  static const std::set<std::string, std::less<>> options = {
      "temperature", "gamma", "largest", "tail", "percentile", "dimension", "shrinkage"};
  try {
    return work();
  } catch (const InvalidArgument& error) {
    const std::string& argument = error.argument();
    if (argument == "k") throw InvalidArgument("-k", error.reason());
    if (options.contains(argument)) throw InvalidArgument("--" + argument, error.reason());
    throw DataError(argument == "labels"  ? files.labels
                    : argument == "layer" ? files.weight
                                          : files.features,
                    error.reason());
  }
}

Detector fit(const ScoreOptions& options, const KnownInputs& known, int threads) {
  Meter meter("learning " + options.name());
  DetectorOptions settings = options.settings;
  settings.threads = threads;
  settings.progress = meter.progress();
  return naming_options(options.files,
                        [&] { return Detector::fit(effective(options), known, settings); });
}

std::vector<double> one_row(const std::string& path) {
  const ArrayFile file(path);
  const Rows rows = file.rows();
  if (rows.columns() != 1 && rows.rows() != 1) {
    throw DataError(path, fmt::format("shape ({}, {}), expected one number for each class",
                                      rows.rows(), rows.columns()));
  }
  std::vector<double> values;
  visit(rows.dtype(), [&]<Element T>(T) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      for (std::size_t c = 0; c < rows.columns(); ++c) {
        const auto step = static_cast<std::ptrdiff_t>(c) * rows.column_stride();
        values.push_back(static_cast<double>(rows.row_data<T>(r)[step]));
      }
    }
  });
  return values;
}

}  // namespace

std::vector<std::string> score_names() {
  std::vector<std::string> names;
  for (const DetectionScore score : detection_scores()) names.emplace_back(name_of(score));
  return names;
}

bool of_features(DetectionScore score) { return score > openmax; }

bool ScoreOptions::of_logits() const { return !of_features(score) && files.weight.empty(); }

CLI::Option* add_in(CLI::App& app, std::string& path) {
  return app
      .add_option("--in", path,
                  "logits (or features) of known inputs: .npy, .npz, .safetensors or .csv; an "
                  "array in a file as FILE:ARRAY")
      ->option_text("FILE");
}

CLI::Option* add_out(CLI::App& app, std::string& path) {
  return app.add_option("--out", path, "the same for unknown inputs")->option_text("FILE");
}

void add_score(CLI::App& app, ScoreOptions& options) {
  app.add_option_function<std::string>(
         "--score",
         [&options](const std::string& name) {
           options.score = detection_score_named(name).value();
         },
         "of logits: msp (log of the largest softmax probability), max-logit (of one column: "
         "scores of one's own), entropy, energy, gen, kl-matching, openmax; of features: "
         "mahalanobis, "
         "relative-mahalanobis, knn; of features and the last layer: gradnorm, react, dice, ash-s, "
         "scale, she, vim, fdbd, nnguide (msp)")
      ->option_text("NAME")
      ->check(CLI::IsMember(score_names()));
}

void add_score_settings(CLI::App& app, DetectorOptions& options) {
  const auto count = whole_number(1, std::numeric_limits<std::uint64_t>::max());
  app.add_option("--temperature", options.temperature,
                 "divide the logits by T > 0; max-logit ignores it (1)")
      ->option_text("T")
      ->check(number("(0, inf)"));
  app.add_option("--gamma", options.gamma, "gen: its exponent (0.1)")
      ->option_text("G")
      ->check(number("(0, inf)"));
  app.add_option("--largest", options.largest,
                 "gen: of how many probabilities (100); openmax: how many activations it revises "
                 "(10)")
      ->option_text("N")
      ->check(count);
  app.add_option("--tail", options.tail,
                 "openmax: to how many of a class's largest distances it fits a distribution (20)")
      ->option_text("N")
      ->check(whole_number(2, std::numeric_limits<std::uint64_t>::max()));
  app.add_option("--percentile", options.percentile,
                 "react, dice, ash-s, scale: below which to leave alone, or cut (90; scale: 85)")
      ->option_text("P")
      ->check(number("[0, 100)"));
  app.add_option("-k", options.k,
                 "knn: the distance to the N-th nearest training row (50); nnguide: the N most "
                 "similar (10)")
      ->option_text("N")
      ->check(count);
  app.add_option("--dimension", options.dimension,
                 "vim: of the principal space (1000 of 2048 features or more, 512 of 768 or more, "
                 "else half)")
      ->option_text("N")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  app.add_option("--shrinkage", options.shrinkage,
                 "mahalanobis, relative-mahalanobis: share of a spherical covariance, 0 to 1 "
                 "(Ledoit and Wolf's)")
      ->option_text("S")
      ->check(number("[0, 1]"));
}

void add_score_files(CLI::App& app, DetectionFileOptions& options) {
  app.add_flag("--probabilities", options.probabilities,
               "the files hold probabilities, not logits; msp at T = 1 is then the logarithm of "
               "the largest");
  app.add_option("--features", options.features,
                 "features of the training set, (rows, columns); the other files then hold "
                 "features, too. For kl-matching and openmax without --weight: logits")
      ->option_text("FILE");
  app.add_option("--weight", options.weight,
                 "the last layer's weights, (classes, columns): makes logits of features, which "
                 "all files then hold")
      ->option_text("FILE");
  app.add_option("--bias", options.bias, "its biases, one for each class")->option_text("FILE");
}

void add_feature_labels(CLI::App& app, DetectionFileOptions& options) {
  app.add_option("--labels", options.labels,
                 "classes of --features, for mahalanobis, relative-mahalanobis, she and openmax: "
                 "integers")
      ->option_text("FILE");
}

Json score_json(const ScoreOptions& options) {
  Json json = {{"score", options.name()}};
  const DetectorOptions& settings = options.settings;
  if (options.score <= energy) json["temperature"] = settings.temperature;
  if (options.score == gen) {
    json["gamma"] = settings.gamma;
    json["largest"] = settings.largest.value_or(100);
  }
  if (options.score == knn) json["k"] = settings.k.value_or(50);
  const auto add = [&](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  if (options.score == openmax) {
    json["largest"] = settings.largest.value_or(10);
    json["tail"] = settings.tail;
  }
  if (options.score == nnguide) add("k", settings.k);
  if (options.score == vim) add("dimension", settings.dimension);
  if (options.score >= react && options.score <= scale) add("percentile", settings.percentile);
  if (options.score == mahalanobis || options.score == relative_mahalanobis) {
    add("shrinkage", settings.shrinkage);
  }
  return json;
}

ScoreOptions score_from_json(const Json& json) {
  const auto name = json.at("score").get<std::string>();
  const auto score = detection_score_named(name);
  if (!score) throw InvalidArgument("score", "no such score: " + name);
  DetectorOptions settings;
  settings.temperature = json.value("temperature", settings.temperature);
  check_in("temperature", settings.temperature, "(0, inf)");
  settings.gamma = json.value("gamma", settings.gamma);
  if (json.contains("tail")) settings.tail = whole_number<std::size_t>(json.at("tail"), "tail");
  const auto take = [&]<class T>(const char* key, std::optional<T>& value) {
    if (json.contains(key)) value = json_value<T>(json.at(key), key);
  };
  take("largest", settings.largest);
  take("k", settings.k);
  take("dimension", settings.dimension);
  take("percentile", settings.percentile);
  take("shrinkage", settings.shrinkage);
  return {.score = *score, .settings = std::move(settings)};
}

DetectionFiles::DetectionFiles(const DetectionFileOptions& options, int threads) {
  if (!options.features.empty())
    features_.emplace(options.probabilities, options.features, threads);
  if (!options.labels.empty()) labels_ = ArrayFile(options.labels).integers();
  if (!options.weight.empty()) weight_.emplace(options.weight);
  if (!options.bias.empty()) bias_ = one_row(options.bias);
}

KnownInputs DetectionFiles::known() const {
  KnownInputs known{.labels = labels_};
  if (features_) known.rows = features_->rows();
  if (weight_) known.layer = LastLayer{weight_->rows(), bias_};
  return known;
}

void check_files(const ScoreOptions& options) {
  const DetectionFileOptions& files = options.files;
  const auto [layer, rows, labels] = needs_of(options.score);
  const auto needed = [&](bool need, const char* option, const std::string& given,
                          const char* what) {
    if (need && given.empty()) {
      throw InvalidArgument(option, fmt::format("required by {}: {}", options.name(), what));
    }
  };
  if (!rows && !files.features.empty()) {
    throw InvalidArgument("--features",
                          fmt::format("not used by {}, which scores {}", options.name(),
                                      layer ? "rows by the last layer" : "logits"));
  }
  if (files.probabilities && !options.of_logits()) {
    throw InvalidArgument("--probabilities",
                          fmt::format("not used by {}, which scores features", options.name()));
  }
  needed(!files.bias.empty(), "--weight", files.weight, "--bias goes with the weights");
  needed(rows, "--features", files.features,
         !options.of_logits()       ? "features of the training set"
         : options.score == openmax ? "logits of the training set"
                                    : "logits of held-out rows");
  needed(labels, "--labels", files.labels, "classes of the training features");
  needed(layer, "--weight", files.weight, "the weights of the last layer");
}

DetectionFiles files_for(const ScoreOptions& options, int threads) {
  check_files(options);
  return {options.files, threads};
}

Scorer::Scorer(const ScoreOptions& options, const DetectionFiles& files, int threads)
    : options_(options),
      known_(files.known()),
      threads_(threads),
      detector_(fit(options, known_, threads)) {}

void Scorer::check_columns(Rows rows, const std::string& name) const {
  const auto expect = [&](std::size_t columns, const std::string& as_in) {
    if (rows.columns() == columns) return;
    throw DataError(
        name, fmt::format("{} columns, expected {}, as in {}", rows.columns(), columns, as_in));
  };
  if (known_.rows) expect(known_.rows->columns(), options_.files.features);
  if (known_.layer) expect(known_.layer->weight.columns(), options_.files.weight);
  const bool of_classes =
      options_.of_logits() && options_.score != max_logit && options_.score != energy;
  if (of_classes && rows.columns() == 1) {
    throw DataError(name, fmt::format("1 column, but {} compares classes: expected 2 or more, or "
                                      "the probabilities of one of two with --probabilities; "
                                      "--score max-logit takes scores as they are",
                                      options_.name()));
  }
}

std::vector<double> Scorer::scores(Rows rows, const std::string& name) const {
  check_columns(rows, name);
  std::vector<double> all;
  Meter meter("scoring");
  for (std::size_t first = 0; first < rows.rows(); first += kChunkRows) {
    const Rows chunk = rows.slice(first, std::min(kChunkRows, rows.rows() - first));
    std::vector<RowError> errors;
    const auto scores = detector_.scores(chunk, {.threads = threads_, .errors = &errors});
    if (!errors.empty()) {
      throw DataError(name,
                      fmt::format("row {}: {}", first + errors.front().row, errors.front().reason));
    }
    all.insert(all.end(), scores.begin(), scores.end());
    meter.update({first + chunk.rows(), rows.rows(), "rows"});
  }
  return all;
}

}  // namespace partita::app
