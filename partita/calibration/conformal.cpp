// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/conformal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/class_clusters.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/temperature.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

/// The classes of a row from the most to the least likely, and the score of each.
class RankedRow {
 public:
  void read(Rows logits, std::size_t r, const ConformalOptions& options, double u) {
    const std::size_t classes = logits.columns();
    row_.read(logits, r);
    const auto p = row_.probabilities();
    const std::span<const double> log_prob = row_.log_prob();
    order.resize(classes);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) {
      return log_prob[a] > log_prob[b] || (log_prob[a] == log_prob[b] && a < b);
    });
    scores.clear();
    double before = 0;
    for (std::size_t rank = 0; rank < classes; ++rank) {
      const double here = p[order[rank]];
      scores.push_back(score(options, rank, before, here, u));
      before +=
          options.score == ConformalScore::saps && rank > 0 ? options.penalty_of_ranks() : here;
    }
  }

  std::vector<std::size_t> order;
  std::vector<double> scores;  // in the order of the classes, ascending

 private:
  /// @param before what the classes of smaller ranks, from 0, add up to
  static double score(const ConformalOptions& options, std::size_t rank, double before, double here,
                      double u) {
    switch (options.score) {
      case ConformalScore::lac:
        return 1 - here;
      case ConformalScore::aps:
        return before + u * here;
      case ConformalScore::raps: {
        const std::size_t beyond = rank >= options.free_rank ? rank + 1 - options.free_rank : 0;
        return before + u * here + options.penalty_of_ranks() * static_cast<double>(beyond);
      }
      case ConformalScore::saps:
        break;
    }
    return before + u * (rank == 0 ? here : options.penalty_of_ranks());
  }

  DistributionRow row_;
};

/// What a row's stream is read for.
enum Position : std::uint64_t { kNoise, kPart };

double noise_of(const ConformalOptions& options, const Stream& stream) {
  return options.randomized ? stream.uniform(kNoise) : 1;
}

/// The score of each row's label.
std::vector<double> label_scores(Rows logits, std::span<const std::int64_t> labels,
                                 const Streams& streams, const ConformalOptions& options,
                                 int threads) {
  check_labels(logits, labels);
  streams.check_covers(logits.rows());
  check_in("penalty", options.penalty_of_ranks(), "[0, inf)");
  std::vector<double> scores(logits.rows());
  for_each_row<RankedRow>(logits.rows(), {.threads = threads}, [&](std::size_t r, RankedRow& row) {
    row.read(logits, r, options, noise_of(options, streams[r]));
    const auto label = static_cast<std::size_t>(labels[r]);
    const auto rank = std::find(row.order.begin(), row.order.end(), label) - row.order.begin();
    scores[r] = row.scores[static_cast<std::size_t>(rank)];
  });
  return scores;
}

/// The scores of each class, of the rows that belong.
template <class Belongs>
std::vector<std::vector<double>> by_class(std::span<const double> scores,
                                          std::span<const std::int64_t> labels, std::size_t classes,
                                          const Belongs& belongs) {
  std::vector<std::vector<double>> out(classes);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    if (belongs(r)) out[static_cast<std::size_t>(labels[r])].push_back(scores[r]);
  }
  return out;
}

/// Some rows find clusters of classes, the others their thresholds.
void fit_clusters(std::span<const double> scores, std::span<const std::int64_t> labels,
                  const Streams& streams, ConformalPredictor& out) {
  const double alpha = out.options.alpha;
  std::vector<std::size_t> rows(out.classes);
  for (const std::int64_t label : labels) ++rows[static_cast<std::size_t>(label)];
  const ClusterPlan plan = plan_clusters(rows, alpha);
  const auto first_part = [&](std::size_t r) { return streams[r].uniform(kPart) < plan.share; };
  out.clusters =
      cluster_classes(by_class(scores, labels, out.classes, first_part), plan.clusters, alpha);
  std::vector<std::vector<double>> of_cluster(plan.clusters);
  std::vector<double> all;
  for (std::size_t r = 0; r < scores.size(); ++r) {
    if (first_part(r)) continue;
    all.push_back(scores[r]);
    const std::int64_t cluster = out.clusters[static_cast<std::size_t>(labels[r])];
    if (cluster >= 0) of_cluster[static_cast<std::size_t>(cluster)].push_back(scores[r]);
  }
  out.threshold = conformal_quantile(std::move(all), alpha);
  std::vector<double> thresholds;
  for (auto& own : of_cluster) thresholds.push_back(conformal_quantile(std::move(own), alpha));
  for (const std::int64_t cluster : out.clusters) {
    out.class_thresholds.push_back(cluster < 0 ? out.threshold
                                               : thresholds[static_cast<std::size_t>(cluster)]);
  }
}

void check_weights(std::span<const double> weights, std::size_t rows) {
  check_size("weights", weights.size(), rows, "one for each row");
  for (std::size_t r = 0; r < rows; ++r) {
    if (!(weights[r] >= 0 && std::isfinite(weights[r]))) {
      throw InvalidArgument(
          "weights", fmt::format("row {}: expected a number in [0, inf), got {:g}", r, weights[r]));
    }
  }
}

}  // namespace

double conformal_quantile(std::vector<double> scores, double alpha) {
  check_in("alpha", alpha, "(0, 1)");
  // (n + 1)(1 - alpha) without the rounding of 1 - alpha: at 0.1, 99 rows have rank 90, not 91.
  const double rank = static_cast<double>(scores.size() + 1) * (1 - alpha);
  const double nearest = std::round(rank);
  const double whole = std::abs(rank - nearest) < 1e-9 ? nearest : std::ceil(rank);
  if (whole > static_cast<double>(scores.size())) return std::numeric_limits<double>::infinity();
  const auto at = scores.begin() + static_cast<std::ptrdiff_t>(std::max(whole, 1.0)) - 1;
  std::nth_element(scores.begin(), at, scores.end());
  return *at;
}

std::string_view name_of(ConformalCoverage coverage) {
  switch (coverage) {
    case ConformalCoverage::marginal:
      return "marginal";
    case ConformalCoverage::class_conditional:
      return "class-conditional";
    case ConformalCoverage::clustered:
      break;
  }
  return "clustered";
}

double WeightedScores::threshold(double alpha, double weight) const {
  // As in conformal_quantile, what is missing only by rounding is not missing.
  const double share = (1 - alpha) * (weights.back() + weight) * (1 - 1e-12);
  const auto at = std::lower_bound(weights.begin(), weights.end(), share);
  return at == weights.end() ? std::numeric_limits<double>::infinity()
                             : scores[static_cast<std::size_t>(at - weights.begin())];
}

ConformalPredictor fit_conformal(Rows logits, std::span<const std::int64_t> labels,
                                 const Streams& streams, const ConformalOptions& options,
                                 int threads) {
  const std::vector<double> scores = label_scores(logits, labels, streams, options, threads);
  ConformalPredictor out{options, logits.columns(), conformal_quantile(scores, options.alpha)};
  switch (options.coverage) {
    case ConformalCoverage::marginal:
      break;
    case ConformalCoverage::class_conditional:
      for (auto& own :
           by_class(scores, labels, logits.columns(), [](std::size_t) { return true; })) {
        out.class_thresholds.push_back(conformal_quantile(std::move(own), options.alpha));
      }
      break;
    case ConformalCoverage::clustered:
      fit_clusters(scores, labels, streams, out);
  }
  return out;
}

ConformalPredictor fit_weighted_conformal(Rows logits, std::span<const std::int64_t> labels,
                                          std::span<const double> weights, const Streams& streams,
                                          const ConformalOptions& options, int threads) {
  if (options.coverage != ConformalCoverage::marginal) {
    throw InvalidArgument("coverage", fmt::format("expected marginal with weights, got {}",
                                                  name_of(options.coverage)));
  }
  check_in("alpha", options.alpha, "(0, 1)");
  const std::vector<double> scores = label_scores(logits, labels, streams, options, threads);
  check_weights(weights, scores.size());
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  WeightedScores weighted;
  double sum = 0;
  for (const std::size_t r : order) {
    weighted.scores.push_back(scores[r]);
    weighted.weights.push_back(sum += weights[r]);
  }
  if (!(sum > 0)) throw InvalidArgument("weights", "all of them are 0");
  if (std::isinf(sum)) throw InvalidArgument("weights", "their sum is infinite");
  ConformalPredictor out{options, logits.columns(), 0};
  out.weighted = std::move(weighted);
  return out;
}

namespace {

/// @param threshold of row r and class k
template <class Threshold>
PredictionSets sets_up_to(const Threshold& threshold, const ConformalPredictor& predictor,
                          Rows logits, const Streams& streams, const RowOptions& options) {
  check_size("logits", logits.columns(), predictor.classes, "classes of the predictor");
  streams.check_covers(logits.rows());
  std::vector<std::vector<std::int64_t>> sets(logits.rows());
  for_each_row<RankedRow>(logits.rows(), options, [&](std::size_t r, RankedRow& row) {
    row.read(logits, r, predictor.options, noise_of(predictor.options, streams[r]));
    for (std::size_t i = 0; i < row.order.size(); ++i) {
      if (row.scores[i] <= threshold(r, row.order[i])) {
        sets[r].push_back(static_cast<std::int64_t>(row.order[i]));
      }
    }
  });
  PredictionSets out{{}, {0}};
  for (const auto& set : sets) {
    out.classes.insert(out.classes.end(), set.begin(), set.end());
    out.start.push_back(out.classes.size());
  }
  return out;
}

}  // namespace

PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            const Streams& streams, const RowOptions& options) {
  if (predictor.weighted) {
    throw InvalidArgument("weights", "required: the predictor was fitted with weights");
  }
  return sets_up_to([&](std::size_t, std::size_t k) { return predictor.threshold_of(k); },
                    predictor, logits, streams, options);
}

PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            std::span<const double> weights, const Streams& streams,
                            const RowOptions& options) {
  if (!predictor.weighted) {
    throw InvalidArgument("weights", "not used: the predictor was fitted without weights");
  }
  check_weights(weights, logits.rows());
  std::vector<double> thresholds;
  for (const double weight : weights) {
    thresholds.push_back(predictor.weighted->threshold(predictor.options.alpha, weight));
  }
  return sets_up_to([&](std::size_t r, std::size_t) { return thresholds[r]; }, predictor, logits,
                    streams, options);
}

}  // namespace partita
