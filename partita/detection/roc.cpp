// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/roc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/roc_points.hpp"

namespace partita {

namespace {

double share(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<double> descending(const char* name, std::span<const double> scores) {
  const auto nan = std::find_if(scores.begin(), scores.end(), [](double s) { return s != s; });
  if (nan != scores.end()) {
    throw InvalidArgument(name, fmt::format("score {} is NaN", nan - scores.begin()));
  }
  std::vector<double> out(scores.begin(), scores.end());
  std::sort(out.begin(), out.end(), std::greater<>());
  return out;
}

RocCurve points_of(std::span<const double> positive, std::span<const double> negative) {
  RocCurve curve{{std::numeric_limits<double>::infinity(), 0, 0}};
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < positive.size() || j < negative.size()) {
    const double threshold =
        j == negative.size() || (i < positive.size() && positive[i] > negative[j]) ? positive[i]
                                                                                   : negative[j];
    while (i < positive.size() && positive[i] == threshold) ++i;
    while (j < negative.size() && negative[j] == threshold) ++j;
    curve.push_back({threshold, i, j});
  }
  return curve;
}

RocCurve roc_curve(std::span<const double> positive, std::span<const double> negative) {
  check_at_least("positive", positive.size(), 1, "scores");
  const std::vector<double> p = descending("positive", positive);
  check_at_least("negative", negative.size(), 1, "scores");
  return points_of(p, descending("negative", negative));
}

RocCurve mirrored(const RocCurve& curve) {
  const OperatingPoint all = curve.back();
  RocCurve out{curve.front()};
  out.reserve(curve.size());
  // What lies at or under a score counts for the other side: all but the point before.
  for (std::size_t i = curve.size() - 1; i > 0; --i) {
    out.push_back({-curve[i].threshold, all.false_positives - curve[i - 1].false_positives,
                   all.true_positives - curve[i - 1].true_positives});
  }
  return out;
}

double auroc(const RocCurve& curve) {
  // Twice the area, in units of one positive times one negative: a whole number.
  std::uint64_t twice = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    twice += (curve[i].false_positives - curve[i - 1].false_positives) *
             (curve[i].true_positives + curve[i - 1].true_positives);
  }
  return static_cast<double>(twice) / 2 /
         (static_cast<double>(curve.back().true_positives) *
          static_cast<double>(curve.back().false_positives));
}

double average_precision(const RocCurve& curve) {
  double sum = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const auto [threshold, tp, fp] = curve[i];
    sum += static_cast<double>(tp - curve[i - 1].true_positives) * share(tp, tp + fp);
  }
  return sum / static_cast<double>(curve.back().true_positives);
}

double fpr_at_tpr(const RocCurve& curve, double tpr) {
  check_in("tpr", tpr, "(0, 1]");
  const OperatingPoint all = curve.back();
  const auto first = std::partition_point(curve.begin(), curve.end(), [&](const auto& point) {
    return share(point.true_positives, all.true_positives) < tpr;
  });
  return share(first->false_positives, all.false_positives);
}

double detection_accuracy(const RocCurve& curve) {
  const OperatingPoint all = curve.back();
  double best = 0;
  for (const auto& [threshold, tp, fp] : curve) {
    best = std::max(best, share(tp, all.true_positives) - share(fp, all.false_positives));
  }
  return (1 + best) / 2;
}

double threshold_at_tpr(std::span<const double> positive, double tpr) {
  check_in("tpr", tpr, "(0, 1]");
  check_at_least("positive", positive.size(), 1, "scores");
  const std::vector<double> scores = descending("positive", positive);
  std::size_t accepted = 1;
  while (share(accepted, scores.size()) < tpr) ++accepted;
  return scores[accepted - 1];
}

double conformal_threshold(std::span<const double> known, double alpha) {
  check_in("alpha", alpha, "(0, 1)");
  check_at_least("known", known.size(), 1, "scores");
  const std::vector<double> scores = descending("known", known);
  // The largest rank, from 1, whose share of n + 1 is at most alpha; without the product's
  // rounding.
  std::size_t rank = 0;
  while (rank < scores.size() && share(rank + 1, scores.size() + 1) <= alpha) ++rank;
  return rank == 0 ? -std::numeric_limits<double>::infinity() : scores[scores.size() - rank];
}

}  // namespace partita
