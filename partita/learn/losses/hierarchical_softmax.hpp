// SPDX-License-Identifier: Apache-2.0
// Hierarchical softmax: a decision at each node of a binary tree, in O(log V) a step, normalized by
// itself (Morin and Bengio 2005, "Hierarchical probabilistic neural network language model"; with a
// Huffman tree: Mikolov et al. 2013, "Efficient estimation of word representations in vector
// space").
//
//   losses::OutputLayer output{weight, bias};                   // [V - 1, d] and [V - 1]
//   output.tree = std::make_shared<losses::HuffmanTree>(counts);
//   losses::HierarchicalSoftmaxLoss()({hidden, targets}, output, Stream{}).backward();
//   losses::evaluate({hidden, targets}, output).perplexity();   // log Z is 0
//   Tensor log_p = losses::logits(hidden, output);              // [B, V]
//
// The probability of an output is the product of those of the turns that lead to it,
//
//   p(w) = product over the inner nodes n on the way to w of
//          sigmoid(+-(hidden . weight[n] + bias[n]))
//
// A step reads and changes only the nodes on its targets' ways, which a Huffman tree makes as short
// as the entropy of the targets' frequencies. It is another model than the softmax of V scores:
// outputs are alike if they share much of their way, whatever they mean.
#pragma once

#include "partita/learn/losses/huffman_tree.hpp"
#include "partita/learn/losses/output_loss.hpp"

namespace partita::losses {

/// -log p(target), exactly: maximum likelihood. Draws nothing; the gradients in weight and bias are
/// sparse.
class HierarchicalSoftmaxLoss : public OutputLoss {
  Form form() const override { return Form::tree; }
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;
};

/// log p(target) of each row, [B]. @param output with a tree.
Tensor hierarchical_log_likelihood(const OutputBatch& batch, const OutputLayer& output);

/// log p of all outputs: [..., d] -> [..., V], in which the probabilities of a row sum to 1.
/// @param output with a tree.
Tensor hierarchical_log_probs(const Tensor& hidden, const OutputLayer& output);

}  // namespace partita::losses
