// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/huffman_tree.hpp"

#include <ATen/ATen.h>

#include <array>
#include <functional>
#include <queue>
#include <utility>

#include "partita/base/internal/check.hpp"

namespace partita::losses {
namespace {

Tensor integers(const std::vector<std::int64_t>& values) { return at::tensor(values, at::kLong); }

/// Children of the inner nodes V, V + 1 ... in the order in which they are joined, the root last.
/// Leaves are 0 ... V - 1.
std::vector<std::array<std::int64_t, 2>> join(std::span<const std::uint64_t> counts) {
  using Weighted = std::pair<double, std::int64_t>;  // ties by number
  std::priority_queue<Weighted, std::vector<Weighted>, std::greater<>> open;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    open.emplace(static_cast<double>(counts[i]), static_cast<std::int64_t>(i));
  }
  std::vector<std::array<std::int64_t, 2>> children;
  while (open.size() > 1) {
    const Weighted a = open.top();
    open.pop();
    const Weighted b = open.top();
    open.pop();
    open.emplace(a.first + b.first, static_cast<std::int64_t>(counts.size() + children.size()));
    children.push_back({a.second, b.second});
  }
  return children;
}

/// A node on the way down: which it is, its parent's place in its level, and the turn that leads
/// here.
struct Visit {
  std::int64_t id;
  std::int64_t parent;
  std::int64_t parent_node;
  float turn;
};

}  // namespace

HuffmanTree::HuffmanTree(std::span<const std::uint64_t> counts) {
  const auto outputs = static_cast<std::int64_t>(counts.size());
  check_at_least("counts", outputs, 2, "outputs");
  const auto children = join(counts);
  std::vector<std::vector<Visit>> levels{{{outputs + outputs - 2, 0, 0, 0}}};  // the root
  std::vector<std::pair<std::size_t, std::size_t>> leaf(counts.size());  // level and place in it
  std::vector<std::int64_t> places(counts.size());
  std::int64_t inner = 0;
  std::int64_t place = 0;
  while (!levels.back().empty()) {
    const std::vector<Visit>& above = levels.back();
    std::vector<Visit> below;
    for (std::size_t i = 0; i < above.size(); ++i) {
      if (levels.size() > 1) ++place;
      const std::int64_t id = above[i].id;
      if (id < outputs) {
        leaf[static_cast<std::size_t>(id)] = {levels.size() - 1, i};
        places[static_cast<std::size_t>(id)] = place - 1;
        continue;
      }
      const auto [left, right] = children[static_cast<std::size_t>(id - outputs)];
      below.push_back({left, static_cast<std::int64_t>(i), inner, 1});
      below.push_back({right, static_cast<std::int64_t>(i), inner, -1});
      ++inner;
    }
    levels.push_back(std::move(below));
  }
  levels.pop_back();
  places_ = integers(places);
  for (std::size_t level = 1; level < levels.size(); ++level) {
    std::vector<std::int64_t> parent;
    std::vector<std::int64_t> node;
    std::vector<float> turn;
    for (const Visit& visit : levels[level]) {
      parent.push_back(visit.parent);
      node.push_back(visit.parent_node);
      turn.push_back(visit.turn);
    }
    levels_.push_back({integers(parent), integers(node), at::tensor(turn, at::kFloat)});
  }
  std::vector<std::int64_t> first{0};
  std::vector<std::int64_t> nodes;
  std::vector<float> turns;
  for (const auto& [depth, at] : leaf) {
    const std::size_t start = nodes.size();
    nodes.resize(start + depth);
    turns.resize(start + depth);
    std::size_t here = at;
    for (std::size_t level = depth; level > 0; --level) {
      const Visit& visit = levels[level][here];
      nodes[start + level - 1] = visit.parent_node;
      turns[start + level - 1] = visit.turn;
      here = static_cast<std::size_t>(visit.parent);
    }
    first.push_back(static_cast<std::int64_t>(nodes.size()));
  }
  first_ = integers(first);
  node_ = integers(nodes);
  turn_ = at::tensor(turns, at::kFloat);
}

HuffmanTree::Paths HuffmanTree::paths(const Tensor& outputs) const {
  const Tensor start = first_.index_select(0, outputs);
  const Tensor length = first_.index_select(0, outputs + 1) - start;
  const Tensor step = at::arange(length.max().item<std::int64_t>());
  const Tensor ended = step >= length.unsqueeze(-1);
  const Tensor place = (start.unsqueeze(-1) + step).masked_fill(ended, 0);
  return {node_.index({place}).masked_fill(ended, 0), turn_.index({place}).masked_fill(ended, 0)};
}

}  // namespace partita::losses
