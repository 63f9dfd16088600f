// SPDX-License-Identifier: Apache-2.0
// Weights that change one at a time, and a choice in proportion to them: both in log2(n) steps.
// Sums are recomputed from their parts, never by subtraction, so small weights stay exact beside
// large ones, and the total is exactly 0 when no weight is left. Not installed.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

namespace partita {

class SumTree {
 public:
  /// n weights of zero.
  void reset(std::size_t n) {
    leaves_ = std::bit_ceil(n);
    nodes_.assign(2 * leaves_, 0);
  }

  /// Sets a weight without updating the sums above it; build() does that for all.
  void set_leaf(std::size_t i, double weight) { nodes_[leaves_ + i] = weight; }
  void build() {
    for (std::size_t node = leaves_ - 1; node > 0; --node) add(node);
  }

  void update(std::size_t i, double weight) {
    std::size_t node = leaves_ + i;
    nodes_[node] = weight;
    while ((node /= 2) > 0) add(node);
  }

  double total() const { return nodes_[1]; }

  /// The i with sum of weights before i <= target < that sum + weight i, for target in [0,
  /// total()); rounding never leads to a weight of 0 if total() > 0.
  std::size_t find(double target) const {
    std::size_t node = 1;
    while (node < leaves_) {
      node *= 2;
      const double left = nodes_[node];
      if (target >= left && nodes_[node + 1] > 0) {
        target -= left;
        ++node;
      }
    }
    return node - leaves_;
  }

 private:
  void add(std::size_t node) { nodes_[node] = nodes_[2 * node] + nodes_[2 * node + 1]; }

  std::size_t leaves_ = 1;
  std::vector<double> nodes_;  // node i has children 2i and 2i + 1; leaf i is node leaves_ + i
};

}  // namespace partita
