// SPDX-License-Identifier: Apache-2.0
// Classes whose conformal scores are distributed alike (Ding, Angelopoulos, Bates, Jordan,
// Tibshirani, "Class-conditional conformal prediction with many classes", NeurIPS 2023, algorithm 1
// and appendix B). Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace partita {

/// How many clusters to look for, and in which share of the rows; the others find thresholds.
struct ClusterPlan {
  double share = 0;
  std::size_t clusters = 0;
};

/// With n the rows of the rarest class, or 1/alpha - 1 if that is more, and K' the classes of so
/// many rows: share K' / (75 + K') and n share / 2 clusters.
ClusterPlan plan_clusters(std::span<const std::size_t> rows_of_classes, double alpha);

/// The cluster of each class: k-means of the quantiles .5, .6, .7, .8 and .9 of its scores,
/// weighted by the square root of their number. -1 for a class of fewer than 1/alpha - 1 scores,
/// and for all if there would be one cluster.
std::vector<std::int64_t> cluster_classes(std::vector<std::vector<double>> scores_of_classes,
                                          std::size_t clusters, double alpha);

}  // namespace partita
