// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/detector.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/block_score.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"

namespace partita {

namespace {

using enum DetectionScore;

static_assert(static_cast<int>(msp) == static_cast<int>(LogitScore::msp) &&
              static_cast<int>(energy) == static_cast<int>(LogitScore::energy));

struct Entry {
  std::string_view name;
  DetectionScore score;
  DetectionNeeds needs;
};

constexpr Entry kEntries[] = {
    {"msp", msp, {}},
    {"max-logit", max_logit, {}},
    {"entropy", entropy, {}},
    {"energy", energy, {}},
    {"gen", gen, {}},
    {"kl-matching", kl_matching, {.rows = true}},
    {"openmax", openmax, {.rows = true, .labels = true}},
    {"gradnorm", gradnorm, {.layer = true}},
    {"react", react, {.layer = true, .rows = true}},
    {"dice", dice, {.layer = true, .rows = true}},
    {"ash-s", ash_s, {.layer = true}},
    {"scale", scale, {.layer = true}},
    {"she", she, {.layer = true, .rows = true, .labels = true}},
    {"vim", vim, {.layer = true, .rows = true}},
    {"fdbd", fdbd, {.layer = true, .rows = true}},
    {"mahalanobis", mahalanobis, {.rows = true, .labels = true}},
    {"relative-mahalanobis", relative_mahalanobis, {.rows = true, .labels = true}},
    {"knn", knn, {.rows = true}},
    {"nnguide", nnguide, {.layer = true, .rows = true}},
};

const Entry& entry_of(DetectionScore score) { return kEntries[static_cast<std::size_t>(score)]; }

using Scores = std::vector<double>;
using Score = std::function<Scores(Rows, const RowOptions&, const Progress&)>;

void check_options(const DetectorOptions& options) {
  check_in("temperature", options.temperature, "(0, inf)");
  check_in("gamma", options.gamma, "(0, inf)");
  check_at_least("largest", options.largest.value_or(1), 1);
  check_at_least("tail", options.tail, 2);
  check_in("percentile", options.percentile.value_or(0), "[0, 100)");
  check_in("shrinkage", options.shrinkage.value_or(0), "[0, 1]");
}

/// Whether known rows and those to be scored are logits.
bool of_logits(DetectionScore score, const SharedLayer& layer) {
  const bool features = score == mahalanobis || score == relative_mahalanobis || score == knn;
  return !layer && !features;
}

Need need_of(DetectionScore score, const SharedLayer& layer) {
  if (score == ash_s || score == scale) return Need::activations;
  if (score == knn || score == nnguide) return Need::direction;
  return of_logits(score, layer) && score != openmax ? Need::logits : Need::finite;
}

/// Refuses what a score cannot learn from.
Rows known_rows(DetectionScore score, const KnownInputs& known, const SharedLayer& layer,
                int threads) {
  const auto [needs_layer, needs_rows, needs_labels] = needs_of(score);
  const auto require = [&](bool needed, const char* argument, bool given) {
    if (needed && !given) {
      throw InvalidArgument(argument, fmt::format("required by {}", name_of(score)));
    }
  };
  require(needs_layer, "layer", layer != nullptr);
  require(needs_rows, "rows", known.rows.has_value());
  require(needs_labels, "labels", !known.labels.empty());
  if (!needs_rows) return {static_cast<const double*>(nullptr), 0, 0};
  const Rows rows = *known.rows;
  if (rows.rows() == 0 || rows.columns() == 0) {
    throw InvalidArgument("rows",
                          fmt::format("empty: shape [{}, {}]", rows.rows(), rows.columns()));
  }
  if (layer) check_size("rows", rows.columns(), layer->columns(), "columns, as in the last layer");
  if (needs_labels) check_size("labels", known.labels.size(), rows.rows(), "one for each row");
  check_features("rows", rows, need_of(score, layer), {.threads = threads});
  return rows;
}

/// Scores blocks of rows of so many columns; any number, if 0.
Score by_blocks(BlockScore score, Need need, std::size_t columns) {
  return [score = std::move(score), need, columns](Rows rows, const RowOptions& options,
                                                   const Progress& progress) {
    if (columns > 0) check_size("rows", rows.columns(), columns, "columns, as of what is known");
    Scores result = check_features("rows", rows, need, options);
    for_each_block(
        rows.rows(), kScoredBlock, options.threads,
        [&](std::size_t first, std::size_t count) {
          const Eigen::VectorXd scores = score(feature_columns(rows, first, count));
          for (std::size_t i = 0; i < count; ++i) {
            result[first + i] += scores[static_cast<Eigen::Index>(i)];
          }
        },
        progress);
    return result;
  };
}

/// A score of logits as they are, or of those of a layer.
template <class OfLogits>
Score of_logits_or_layer(const SharedLayer& layer, const OfLogits& of) {
  if (!layer) {
    return
        [of](Rows rows, const RowOptions& options, const Progress&) { return of(rows, options); };
  }
  const BlockScore block = [layer, of](const Eigen::MatrixXd& x) {
    const Eigen::MatrixXd z = layer->logits(x);
    std::vector<RowError> seen;  // of features that are no row, which have their error already
    const Scores scores = of(rows_of(z), {.errors = &seen});
    return Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(scores.data(), z.cols()));
  };
  return by_blocks(block, Need::finite, layer->columns());
}

Score fit_mahalanobis(const Learning& known, bool relative) {
  const auto fit = [&](std::span<const std::int64_t> labels) {
    const DetectorOptions& options = known.options;
    return std::make_shared<const Mahalanobis>(Mahalanobis::fit(known.rows, labels,
                                                                {.shrinkage = options.shrinkage,
                                                                 .threads = options.threads,
                                                                 .progress = options.progress}));
  };
  const auto classes = fit(known.labels);
  if (!relative) {
    return [classes](Rows rows, const RowOptions& options, const Progress& progress) {
      return classes->scores(rows, options, progress);
    };
  }
  const auto all = fit(std::vector<std::int64_t>(known.labels.size(), 0));
  return [classes, all](Rows rows, const RowOptions& options, const Progress& progress) {
    Scores scores = classes->scores(rows, options, progress);
    std::vector<RowError> seen;
    const Scores background = all->scores(rows, {.threads = options.threads, .errors = &seen});
    for (std::size_t r = 0; r < scores.size(); ++r) scores[r] -= background[r];
    return scores;
  };
}

Score fit_knn(const Learning& known) {
  const std::size_t k = known.options.k.value_or(50);
  check_between("k", k, 1, known.rows.rows(), "training rows");
  return
      [training = known.rows, k](Rows rows, const RowOptions& options, const Progress& progress) {
        return knn_scores(rows, training, k, options, progress);
      };
}

BlockScore fit_blocks(DetectionScore score, const Learning& known) {
  switch (score) {
    case kl_matching:
      return fit_kl_matching(known);
    case openmax:
      return fit_openmax(known);
    case gradnorm:
      return gradient_norm(known.layer);
    case react:
      return fit_react(known);
    case dice:
      return fit_dice(known);
    case ash_s:
      return shaped_energy(known.layer, Shaping::ash_s, known.options);
    case scale:
      return shaped_energy(known.layer, Shaping::scale, known.options);
    case she:
      return fit_she(known);
    case vim:
      return fit_vim(known);
    case fdbd:
      return fit_fdbd(known);
    default:
      return fit_nnguide(known);
  }
}

Score fit_score(DetectionScore score, const Learning& known) {
  const double temperature = known.options.temperature;
  switch (score) {
    case msp:
    case max_logit:
    case entropy:
    case energy:
      return of_logits_or_layer(known.layer, [which = static_cast<LogitScore>(score), temperature](
                                                 Rows z, const RowOptions& o) {
        return logit_scores(which, z, temperature, o);
      });
    case gen:
      return of_logits_or_layer(
          known.layer, [gamma = known.options.gamma, largest = known.options.largest.value_or(100)](
                           Rows z, const RowOptions& o) {
            return generalized_entropy_scores(z, gamma, largest, o);
          });
    case mahalanobis:
    case relative_mahalanobis:
      return fit_mahalanobis(known, score == relative_mahalanobis);
    case knn:
      return fit_knn(known);
    default:
      return by_blocks(fit_blocks(score, known), need_of(score, known.layer),
                       known.layer ? known.layer->columns() : known.rows.columns());
  }
}

}  // namespace

std::span<const DetectionScore> detection_scores() {
  static const auto all = [] {
    std::array<DetectionScore, std::size(kEntries)> scores{};
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = kEntries[i].score;
    return scores;
  }();
  return all;
}

std::string_view name_of(DetectionScore score) { return entry_of(score).name; }

std::optional<DetectionScore> detection_score_named(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.score;
  }
  return std::nullopt;
}

DetectionNeeds needs_of(DetectionScore score) { return entry_of(score).needs; }

Detector Detector::fit(DetectionScore score, const KnownInputs& known,
                       const DetectorOptions& options) {
  check_options(options);
  const SharedLayer layer =
      known.layer ? std::make_shared<const Layer>(*known.layer, options.threads) : nullptr;
  return Detector(fit_score(score, {.rows = known_rows(score, known, layer, options.threads),
                                    .labels = known.labels,
                                    .layer = layer,
                                    .options = options}));
}

}  // namespace partita
