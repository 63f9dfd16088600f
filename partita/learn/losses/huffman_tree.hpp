// SPDX-License-Identifier: Apache-2.0
// A binary tree over outputs in which frequent ones lie near the root, for HierarchicalSoftmaxLoss.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/learn/tensor.hpp"

namespace partita::losses {

/// The tree of the shortest mean path for outputs that come up in proportion to their counts
/// (Huffman 1952): no longer than their entropy in bits, plus 1. Its V - 1 inner nodes are numbered
/// from the root, 0, level by level.
class HuffmanTree {
 public:
  /// @param counts of each output; of equal ones, the first is joined first
  /// @throws InvalidArgument if there are fewer than two
  explicit HuffmanTree(std::span<const std::uint64_t> counts);

  /// V
  std::int64_t outputs() const { return first_.numel() - 1; }

  /// The ways from the root to some outputs, each padded to the longest of them.
  struct Paths {
    Tensor node;  ///< int64 [n, longest]: inner nodes; 0 after the end
    Tensor turn;  ///< float [n, longest]: 1 to the first child, -1 to the second; 0 after the end
  };
  /// @param outputs int64 [n], each in [0, V), on the CPU
  Paths paths(const Tensor& outputs) const;

  /// The children of a level of the tree, from left to right.
  struct Level {
    Tensor parent;  ///< int64: the place of each child's parent among the nodes of the level above
    Tensor node;    ///< int64: the number of that parent
    Tensor turn;    ///< float
  };
  /// From the root's children downwards.
  const std::vector<Level>& levels() const { return levels_; }
  /// int64 [V]: the place of each output among the nodes of all levels, one after the other.
  const Tensor& places() const { return places_; }

 private:
  Tensor first_;  // int64 [V + 1]: where the path of each output begins
  Tensor node_;   // int64: the nodes of all paths
  Tensor turn_;   // float
  std::vector<Level> levels_ = {};
  Tensor places_;
};

}  // namespace partita::losses
