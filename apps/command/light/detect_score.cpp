// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/detect_score.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "apps/command/options.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/knn.hpp"

namespace partita::app {
namespace {

constexpr std::size_t kChunkRows = 4096;  // scored between two updates of the meter

constexpr auto kDetectionScores = names<DetectionScore>({{"msp", LogitScore::msp},
                                                         {"max-logit", LogitScore::max_logit},
                                                         {"entropy", LogitScore::entropy},
                                                         {"energy", LogitScore::energy},
                                                         {"mahalanobis", FeatureScore::mahalanobis},
                                                         {"knn", FeatureScore::knn}});

void check(const ScoreOptions& options) {
  const auto needed = [&](const std::string& option, const std::string& given,
                          const std::string& what) {
    if (given.empty()) {
      throw InvalidArgument(option, fmt::format("required by {}: {}", options.name(), what));
    }
  };
  if (!options.of_features()) {
    if (!options.features.empty()) {
      throw InvalidArgument("--features",
                            fmt::format("not used by {}, which scores logits", options.name()));
    }
    return;
  }
  if (options.probabilities) {
    throw InvalidArgument("--probabilities",
                          fmt::format("not used by {}, which scores features", options.name()));
  }
  needed("--features", options.features, "features of the training set");
  if (options.score == DetectionScore(FeatureScore::mahalanobis)) {
    needed("--labels", options.labels, "classes of the training features");
  }
}

/// Turns the library's complaint about an argument into one about its option.
template <class Work>
auto naming_options(const ScoreOptions& options, const Work& work) {
  try {
    return work();
  } catch (const InvalidArgument& error) {
    if (error.argument() == "k") throw InvalidArgument("-k", error.reason());
    if (error.argument() == "shrinkage") throw InvalidArgument("--shrinkage", error.reason());
    throw DataError(error.argument() == "labels" ? options.labels : options.features,
                    error.reason());
  }
}

}  // namespace

const char* ScoreOptions::name() const { return name_of(kDetectionScores, score); }

bool ScoreOptions::of_features() const { return std::holds_alternative<FeatureScore>(score); }

void add_score(CLI::App& app, ScoreOptions& options) {
  add_choice(app, "--score", options.score, kDetectionScores,
             "of logits: msp (log of the largest softmax probability), max-logit (of one column: "
             "scores of one's own), entropy, energy; of features: mahalanobis, knn (msp)");
  app.add_option("--temperature", options.temperature,
                 "divide the logits by T > 0; max-logit ignores it (1)")
      ->option_text("T")
      ->check(number("(0, inf)"));
  add_k(app, options.k, "knn: the distance to the N-th nearest training row");
  app.add_option("--shrinkage", options.shrinkage,
                 "mahalanobis: share of a spherical covariance, 0 to 1 (Ledoit and Wolf's)")
      ->option_text("S")
      ->check(number("[0, 1]"));
}

void add_score_inputs(CLI::App& app, ScoreOptions& options) {
  app.add_flag("--probabilities", options.probabilities,
               "the files hold probabilities, not logits; msp at T = 1 is then the logarithm of "
               "the largest");
  app.add_option("--features", options.features,
                 "features of the training set, (rows, columns); the other files then hold "
                 "features, too")
      ->option_text("FILE");
}

Json score_json(const ScoreOptions& options) {
  Json json = {{"score", options.name()}};
  if (!options.of_features()) json["temperature"] = options.temperature;
  if (options.score == DetectionScore(FeatureScore::knn)) json["k"] = options.k;
  if (options.score == DetectionScore(FeatureScore::mahalanobis) && options.shrinkage) {
    json["shrinkage"] = *options.shrinkage;
  }
  return json;
}

ScoreOptions score_from_json(const Json& json) {
  ScoreOptions options;
  const auto name = json.at("score").get<std::string>();
  const auto score = value_named(kDetectionScores, name);
  if (!score) throw InvalidArgument("score", "no such score: " + name);
  options.score = *score;
  options.temperature = json.value("temperature", options.temperature);
  check_in("temperature", options.temperature, "(0, inf)");
  options.k = json.value("k", options.k);
  if (json.contains("shrinkage")) options.shrinkage = json.at("shrinkage").get<double>();
  return options;
}

Scorer::Scorer(const ScoreOptions& options, int threads) : options_(options), threads_(threads) {
  check(options_);
  if (!options_.of_features()) return;
  features_.emplace(options_.features);
  const Rows training = features_->rows();
  naming_options(options_, [&] {
    if (options_.score == DetectionScore(FeatureScore::knn)) {
      knn_scores(training.slice(0, 0), training, options_.k, {.threads = threads_});
    } else {
      const auto labels = ArrayFile(options_.labels).integers();
      mahalanobis_ = Mahalanobis::fit(training, labels,
                                      {.shrinkage = options_.shrinkage, .threads = threads_});
    }
  });
}

std::vector<double> Scorer::chunk_scores(Rows rows, const RowOptions& options) const {
  if (mahalanobis_) return mahalanobis_->scores(rows, options);
  if (features_) return knn_scores(rows, features_->rows(), options_.k, options);
  const LogitScore score = std::get<LogitScore>(options_.score);
  // The largest of given probabilities is msp itself.
  const bool given =
      options_.probabilities && score == LogitScore::msp && options_.temperature == 1;
  return logit_scores(given ? LogitScore::max_logit : score, rows, options_.temperature, options);
}

std::vector<double> Scorer::scores(Rows rows, const std::string& name) const {
  if (features_ && rows.columns() != features_->rows().columns()) {
    throw DataError(name, fmt::format("{} columns, expected {}, as in {}", rows.columns(),
                                      features_->rows().columns(), options_.features));
  }
  const bool of_classes = options_.score == DetectionScore(LogitScore::msp) ||
                          options_.score == DetectionScore(LogitScore::entropy);
  if (of_classes && rows.columns() == 1) {
    throw DataError(name, fmt::format("1 column, but {} compares classes: expected 2 or more, or "
                                      "the probabilities of one of two with --probabilities; "
                                      "--score max-logit takes scores as they are",
                                      options_.name()));
  }
  std::vector<double> all;
  Meter meter("scoring");
  for (std::size_t first = 0; first < rows.rows(); first += kChunkRows) {
    const Rows chunk = rows.slice(first, std::min(kChunkRows, rows.rows() - first));
    std::vector<RowError> errors;
    const auto scores = chunk_scores(chunk, {.threads = threads_, .errors = &errors});
    if (!errors.empty()) {
      throw DataError(name,
                      fmt::format("row {}: {}", first + errors.front().row, errors.front().reason));
    }
    all.insert(all.end(), scores.begin(), scores.end());
    meter.update({first + chunk.rows(), rows.rows(), "rows"});
  }
  return all;
}

std::optional<Rows> Scorer::training() const {
  if (!features_) return std::nullopt;
  return features_->rows();
}

}  // namespace partita::app
