// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/class_clusters.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/random/internal/quantile.hpp"

namespace partita {

namespace {

using Point = std::array<double, 5>;  // quantiles

/// The least number of scores that has a threshold.
std::size_t least_rows(double alpha) {
  return static_cast<std::size_t>(std::ceil(1 / alpha - 1 - 1e-9));
}

Point quantiles(std::vector<double>& scores) {
  std::sort(scores.begin(), scores.end());
  Point out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = quantile(scores, 0.5 + 0.1 * static_cast<double>(i));
  }
  return out;
}

double squared_distance(const Point& a, const Point& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

struct Weighted {
  Point point;
  double weight;
  std::int64_t cluster = 0;
};

/// Lloyd's iterations, from clusters of consecutive medians: what tells classes apart is mostly one
/// number, how large their scores are.
void k_means(std::vector<Weighted>& points, std::size_t clusters) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return points[a].point[0] < points[b].point[0];
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    points[order[i]].cluster = static_cast<std::int64_t>(i * clusters / order.size());
  }
  constexpr int kMostIterations = 300;
  for (int i = 0; i < kMostIterations; ++i) {
    std::vector<Point> means(clusters, Point{});
    std::vector<double> weights(clusters);
    for (const Weighted& each : points) {
      const auto c = static_cast<std::size_t>(each.cluster);
      weights[c] += each.weight;
      for (std::size_t d = 0; d < each.point.size(); ++d) {
        means[c][d] += each.weight * each.point[d];
      }
    }
    for (std::size_t c = 0; c < clusters; ++c) {
      for (double& x : means[c]) {
        x = weights[c] > 0 ? x / weights[c] : std::numeric_limits<double>::infinity();
      }
    }
    bool moved = false;
    for (Weighted& each : points) {
      const auto nearest =
          std::min_element(means.begin(), means.end(), [&](const Point& a, const Point& b) {
            return squared_distance(each.point, a) < squared_distance(each.point, b);
          });
      moved = moved || nearest - means.begin() != each.cluster;
      each.cluster = nearest - means.begin();
    }
    if (!moved) return;
  }
}

}  // namespace

ClusterPlan plan_clusters(std::span<const std::size_t> rows_of_classes, double alpha) {
  const std::size_t rarest = *std::min_element(rows_of_classes.begin(), rows_of_classes.end());
  const std::size_t n = std::max(rarest, least_rows(alpha));
  const auto enough = static_cast<double>(std::count_if(
      rows_of_classes.begin(), rows_of_classes.end(), [&](std::size_t rows) { return rows >= n; }));
  const double share = enough / (75 + enough);
  return {share, static_cast<std::size_t>(std::floor(static_cast<double>(n) * share)) / 2};
}

std::vector<std::int64_t> cluster_classes(std::vector<std::vector<double>> scores_of_classes,
                                          std::size_t clusters, double alpha) {
  std::vector<std::int64_t> out(scores_of_classes.size(), -1);
  std::vector<std::size_t> classes;  // of enough scores
  std::vector<Weighted> points;
  for (std::size_t k = 0; k < scores_of_classes.size(); ++k) {
    auto& scores = scores_of_classes[k];
    if (scores.empty() || scores.size() < least_rows(alpha)) continue;
    classes.push_back(k);
    points.push_back({quantiles(scores), std::sqrt(static_cast<double>(scores.size()))});
  }
  if (clusters < 2 || points.size() < clusters) return out;
  k_means(points, clusters);
  for (std::size_t i = 0; i < classes.size(); ++i) out[classes[i]] = points[i].cluster;
  return out;
}

}  // namespace partita
