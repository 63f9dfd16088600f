// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/conformal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/base/internal/check.hpp"
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
    const std::vector<double>& log_prob = row_.log_prob();
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
      before += options.score == ConformalScore::saps && rank > 0 ? options.penalty : here;
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
        return before + u * here + options.penalty * static_cast<double>(beyond);
      }
      case ConformalScore::saps:
        break;
    }
    return before + u * (rank == 0 ? here : options.penalty);
  }

  DistributionRow row_;
};

double noise_of(const ConformalOptions& options, const Stream& stream) {
  return options.randomized ? stream.uniform(0) : 1;
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

ConformalPredictor fit_conformal(Rows logits, std::span<const std::int64_t> labels,
                                 const Streams& streams, const ConformalOptions& options,
                                 int threads) {
  check_labels(logits, labels);
  streams.check_covers(logits.rows());
  check_in("penalty", options.penalty, "[0, inf)");
  std::vector<double> scores(logits.rows());
  for_each_row<RankedRow>(logits.rows(), {.threads = threads}, [&](std::size_t r, RankedRow& row) {
    row.read(logits, r, options, noise_of(options, streams[r]));
    const auto label = static_cast<std::size_t>(labels[r]);
    const auto rank = std::find(row.order.begin(), row.order.end(), label) - row.order.begin();
    scores[r] = row.scores[static_cast<std::size_t>(rank)];
  });
  ConformalPredictor out{options, logits.columns(), conformal_quantile(scores, options.alpha)};
  if (!options.class_conditional) return out;
  std::vector<std::vector<double>> of_class(logits.columns());
  for (std::size_t r = 0; r < scores.size(); ++r) {
    of_class[static_cast<std::size_t>(labels[r])].push_back(scores[r]);
  }
  for (auto& own : of_class) {
    out.class_thresholds.push_back(conformal_quantile(std::move(own), options.alpha));
  }
  return out;
}

PredictionSets predict_sets(const ConformalPredictor& predictor, Rows logits,
                            const Streams& streams, const RowOptions& options) {
  check_size("logits", logits.columns(), predictor.classes, "classes of the predictor");
  streams.check_covers(logits.rows());
  std::vector<std::vector<std::int64_t>> sets(logits.rows());
  for_each_row<RankedRow>(logits.rows(), options, [&](std::size_t r, RankedRow& row) {
    row.read(logits, r, predictor.options, noise_of(predictor.options, streams[r]));
    for (std::size_t i = 0; i < row.order.size(); ++i) {
      if (row.scores[i] <= predictor.threshold_of(row.order[i])) {
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

}  // namespace partita
