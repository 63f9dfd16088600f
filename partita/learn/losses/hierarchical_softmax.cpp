// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/hierarchical_softmax.hpp"

#include <ATen/ATen.h>

#include <vector>

#include "partita/learn/losses/internal/sampled_scores.hpp"

namespace partita::losses {

Tensor hierarchical_log_likelihood(const OutputBatch& batch, const OutputLayer& output) {
  const auto [node, turn] = output.tree->paths(batch.targets.to(at::kCPU));
  const Tensor scores = indexed_scores(batch.hidden, output, node.to(batch.hidden.device()));
  const Tensor sign = turn.to(scores.options());
  return (at::log_sigmoid(sign * scores) * sign.abs()).sum(-1);  // 0 after the end of a path
}

Tensor hierarchical_log_probs(const Tensor& hidden, const OutputLayer& output) {
  const Tensor scores = at::linear(hidden, output.weight, output.bias);
  Tensor above = at::zeros_like(scores.narrow(-1, 0, 1));  // of the root
  std::vector<Tensor> all;
  for (const HuffmanTree::Level& level : output.tree->levels()) {
    const auto on = [&](const Tensor& index) { return index.to(scores.device()); };
    const Tensor turns = scores.index_select(-1, on(level.node)) * level.turn.to(scores.options());
    above = above.index_select(-1, on(level.parent)) + at::log_sigmoid(turns);
    all.push_back(above);
  }
  return at::cat(all, -1).index_select(-1, output.tree->places().to(scores.device()));
}

Tensor HierarchicalSoftmaxLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                                       const Random& /*random*/) const {
  return -hierarchical_log_likelihood(batch, output);
}

}  // namespace partita::losses
