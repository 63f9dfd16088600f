// SPDX-License-Identifier: Apache-2.0
// Losses of a softmax over V outputs, for models whose V is huge: what they share, and the loss
// that they all replace, the full softmax.
//
//   losses::OutputLayer output{weight, bias};           // [V, d] and [V], requiring gradients
//   const losses::NceLoss nce(losses::NoiseDistribution::unigram(counts), {.noise = 25});
//   for (std::uint64_t step = 0; ...; ++step) {
//     Tensor hidden = model(words);                     // [B, d]
//     nce({hidden, targets}, output, Stream{seed, step}).backward();
//     optimizer.step();                                 // weight's gradient: B (1 + k) sparse rows
//   }
//   auto test = losses::evaluate({hidden, targets}, output);   // normalized, whatever the loss was
//   test.perplexity();  test.log_z_deviation();
//
// The score of output w for a row is s = hidden . weight[w] + bias[w]; its unnormalized probability
// u = exp(s), Z = sum_w u(w). A sampled loss looks at the target and at k draws of noise per row:
//
//   NceLoss               sigmoid(s - log k q): is it data or noise?       (nce.hpp)
//   NegativeSamplingLoss  the same without the correction by log k q       (nce.hpp)
//   SampledSoftmaxLoss    softmax over target and noise, corrected         (sampled_softmax.hpp)
//   FullSoftmaxLoss       softmax over all V: maximum likelihood           (here)
//
// A layer that no process holds is split over several (OutputLayer::columns), for all of them:
//
//   const SplitColumns columns(10'000'000, group);             // on every rank
//   losses::OutputLayer own{weight, bias, {}, &columns};       // weight [columns.size(), d]
//
// Two others go the other way, to output layers whose exact probabilities are cheap:
// AdaptiveSoftmaxLoss (adaptive_softmax.hpp) keeps rare outputs in clusters of their own, and
// HierarchicalSoftmaxLoss (hierarchical_softmax.hpp) all of them in a binary tree.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "partita/learn/losses/losses.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/split/columns.hpp"

namespace partita::losses {

class HuffmanTree;

/// A cluster of n rare outputs of an adaptive layer (adaptive_softmax.hpp).
struct Tail {
  Tensor projection;  ///< [h, d]
  Tensor weight;      ///< [n, h]: the outputs' scores are weight projection hidden
};

/// The last layer of a model.
struct OutputLayer {
  /// Output embedding, [V, d], floating-point. With tails, the rows of the frequent outputs and one
  /// for each tail as a whole: [V - sum of the tails' n + tails, d].
  Tensor weight;
  Tensor bias = {};              ///< one number for each row of weight; undefined: 0
  std::vector<Tail> tails = {};  ///< none: a full softmax
  /// The layer is split over the ranks of a group: weight and bias are the own columns' rows,
  /// [columns->size(), d], and V is columns->columns(). Every rank calls a loss with the same
  /// hidden states, targets and random numbers, and has the same loss; gradients are those of the
  /// own rows, and in the hidden states those of all. Not with tails. It must outlive the
  /// gradients' graph.
  const SplitColumns* columns = nullptr;
  /// A hierarchical softmax over the tree's V outputs: weight and bias have a row for each of its
  /// V - 1 inner nodes. Not with tails or columns.
  std::shared_ptr<const HuffmanTree> tree = {};

  std::int64_t outputs() const;  ///< V
};

/// What the last layer is to predict, and from what.
struct OutputBatch {
  Tensor hidden;         ///< [B, d], of the type and on the device of the output layer
  Tensor targets;        ///< integers [B], each in [0, V)
  Tensor contexts = {};  ///< integers [B], needed only by an NceLoss with a log Z for each context
};

/// How an output layer makes probabilities of its rows.
enum class Form : std::uint8_t { softmax, tails, tree };

/// A loss of hidden states and targets under an output layer.
class OutputLoss {
 public:
  virtual ~OutputLoss() = default;

  /// @param random the source of noise. From a stream, a row's noise (unless shared) depends only
  ///               on the stream and on the row's place in the batch.
  /// @return the mean over rows, in nats; or [B] with Reduction::none.
  /// @throws InvalidArgument naming what does not fit together (shapes, types, a target outside
  ///         [0, V)), and the row whose loss is NaN.
  Tensor operator()(const OutputBatch& batch, const OutputLayer& output, const Random& random,
                    Reduction reduction = Reduction::mean) const;

 private:
  /// Of the layers that it is for.
  virtual Form form() const { return Form::softmax; }
  /// The loss of each row of a checked batch, [B].
  virtual Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                        const Random& random) const = 0;
};

/// -log (u(target) / Z), with the sum over all V: O(B V d) a step, and gradients in all rows of the
/// output layer. Draws nothing. In float or 16 bits on the CPU, by linear_softmax(): the scores are
/// never in memory, and there are no second derivatives.
class FullSoftmaxLoss : public OutputLoss {
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& random) const override;
};

/// How well a model predicts once it is normalized.
struct TargetLikelihood {
  Tensor log_likelihood;  ///< log (u(target) / Z) of each row, [B]
  Tensor log_z;           ///< log Z of each row, [B]; 0 with tails or a tree

  double mean_log_likelihood() const;
  /// exp(-mean_log_likelihood())
  double perplexity() const;
  double mean_log_z() const;
  /// Standard deviation of log Z over the rows; 0 for one row.
  double log_z_deviation() const;
};

/// The exact, normalized log-likelihood of the targets: a pass over all V outputs, a block at a
/// time, so that memory does not grow with B V. No gradients.
/// @throws InvalidArgument as OutputLoss does.
TargetLikelihood evaluate(const OutputBatch& batch, const OutputLayer& output);

/// What a softmax turns into probabilities: the scores or, with tails or a tree, log-probabilities.
/// @param hidden [..., d] @return [..., V]; of a split layer, those of the own columns
Tensor logits(const Tensor& hidden, const OutputLayer& output);
/// The same, written to `out`, [B, V] for [B, d]. No gradients.
void logits_out(Tensor& out, const Tensor& hidden, const OutputLayer& output);

}  // namespace partita::losses
