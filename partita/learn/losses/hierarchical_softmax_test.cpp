// SPDX-License-Identifier: Apache-2.0
// Hierarchical softmax by hand and by differences, and the tree that it stands on.
#include "partita/learn/losses/hierarchical_softmax.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/nce.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using ::testing::ElementsAre;
using testing::gradients;
using testing::integers;
using testing::largest_difference;
using testing::leaf;
using testing::normal;
using testing::slope;

constexpr std::int64_t kOutputs = 7;
constexpr std::int64_t kDim = 19;

/// In double, with weights that are not special in any way.
struct Hierarchical {
  OutputBatch batch{leaf(normal({12, kDim}, 0)), (at::arange(12) * 3).remainder(kOutputs)};
  OutputLayer output{leaf(normal({kOutputs - 1, kDim}, 1, 0.4)), leaf(normal({kOutputs - 1}, 2))};

  Hierarchical() {
    output.tree = std::make_shared<HuffmanTree>(std::vector<std::uint64_t>{40, 1, 7, 7, 20, 2, 0});
  }
  std::vector<Tensor> leaves() const { return {batch.hidden, output.weight, output.bias}; }
  Tensor loss(Reduction reduction = Reduction::mean) const {
    return HierarchicalSoftmaxLoss()(batch, output, Stream{}, reduction);
  }
};

std::vector<std::int64_t> lengths(const std::vector<std::uint64_t>& counts) {
  const HuffmanTree tree(counts);
  const auto paths = tree.paths(at::arange(tree.outputs()));
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < tree.outputs(); ++i) {
    out.push_back(paths.turn[i].abs().sum().item<std::int64_t>());
  }
  return out;
}

TEST(HuffmanTree, GivesFrequentOutputsShortPaths) {
  EXPECT_THAT(lengths({8, 4, 2, 1, 1}), ElementsAre(1, 2, 3, 4, 4));
  EXPECT_THAT(lengths({1, 1, 8, 2, 4}), ElementsAre(4, 4, 1, 3, 2));
  EXPECT_THAT(lengths({3, 3, 3, 3}), ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(lengths({0, 0}), ElementsAre(1, 1));
  // The mean path is at least the entropy, and less than 1 longer.
  const std::vector<std::uint64_t> counts{100, 61, 33, 17, 9, 9, 5, 2, 2, 1};
  const std::vector<std::int64_t> found = lengths(counts);
  double total = 0;
  double path = 0;
  double entropy = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double p = static_cast<double>(counts[i]) / total;
    path += p * static_cast<double>(found[i]);
    entropy -= p * std::log2(p);
  }
  EXPECT_GE(path, entropy);
  EXPECT_LT(path, entropy + 1);
  EXPECT_EQ(message_of<InvalidArgument>([] { HuffmanTree(std::vector<std::uint64_t>{5}); }),
            "counts: expected 2 or more (outputs), got 1");
}

TEST(HuffmanTree, NumbersItsNodesFromTheRootByLevels) {
  const HuffmanTree tree(std::vector<std::uint64_t>{8, 4, 2, 1, 1});
  const auto [node, turn] = tree.paths(integers({0, 3, 4}));
  EXPECT_TRUE(at::equal(node, integers({0, 0, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3}).view({3, 4})));
  EXPECT_EQ(turn[0][1].item<float>(), 0);  // after its end
  EXPECT_EQ(turn[1][3].item<float>(), -turn[2][3].item<float>());
  EXPECT_EQ(tree.levels().size(), 4U);
  EXPECT_EQ(tree.places().max().item<std::int64_t>(), 7);  // of 8 below the root
}

TEST(HierarchicalSoftmax, IsTheProductOfItsTurns) {
  const Hierarchical model;
  const auto [node, turn] = model.output.tree->paths(model.batch.targets);
  const Tensor scores = at::linear(model.batch.hidden, model.output.weight, model.output.bias);
  for (std::int64_t row = 0; row < 12; ++row) {
    double p = 1;
    for (std::int64_t i = 0; i < node.size(1); ++i) {
      const double sign = turn[row][i].item<double>();
      const double s = scores[row][node[row][i]].item<double>();
      if (sign != 0) p /= 1 + std::exp(-sign * s);
    }
    EXPECT_NEAR(model.loss(Reduction::none)[row].item<double>(), -std::log(p), 1e-12);
  }
}

TEST(HierarchicalSoftmax, GradientsAreSlopesAndTouchTheWayAlone) {
  const Hierarchical model;
  const auto loss = [&] { return model.loss(); };
  const auto found = gradients(loss, model.leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i], slope(loss, model.leaves()[i])), 1e-8) << i;
  }
  // Those of all log-probabilities as well.
  const auto all = [&] {
    return (logits(model.batch.hidden, model.output) * normal({12, kOutputs}, 5)).sum();
  };
  const auto of_all = gradients(all, model.leaves());
  for (std::size_t i = 0; i < of_all.size(); ++i) {
    EXPECT_LT(largest_difference(of_all[i], slope(all, model.leaves()[i])), 1e-7) << i;
  }
  const Hierarchical other;
  HierarchicalSoftmaxLoss()({other.batch.hidden.narrow(0, 0, 1), integers({0})}, other.output,
                            Stream{})
      .backward();
  const Tensor touched = other.output.weight.grad().to_dense().abs().sum(-1) > 0;
  EXPECT_EQ(touched.sum().item<std::int64_t>(), 1);  // the most frequent output: one turn
}

// Over all outputs the probabilities sum to 1, and are those of the loss.
TEST(HierarchicalSoftmax, IsASoftmax) {
  const Hierarchical model;
  const Tensor log_p = logits(model.batch.hidden, model.output);
  EXPECT_EQ(log_p.sizes(), IntArrayRef({12, kOutputs}));
  EXPECT_LT(log_p.logsumexp(-1).abs().max().item<double>(), 1e-13);
  const Tensor of_targets = log_p.gather(1, model.batch.targets.unsqueeze(1)).squeeze(1);
  EXPECT_LT(largest_difference(model.loss(Reduction::none), -of_targets), 1e-13);
  const TargetLikelihood evaluation = evaluate(model.batch, model.output);
  EXPECT_LT(largest_difference(evaluation.log_likelihood, of_targets), 1e-13);
  EXPECT_EQ(evaluation.log_z.abs().max().item<double>(), 0);
  const Tensor deep = model.batch.hidden.view({3, 4, kDim});
  EXPECT_TRUE(at::allclose(logits(deep, model.output).flatten(0, 1), log_p, 1e-13));
}

TEST(HierarchicalSoftmax, InFloatIsThatInDouble) {
  Hierarchical model;
  const auto exact = gradients([&] { return model.loss(); }, model.leaves());
  model.batch.hidden = leaf(model.batch.hidden.to(at::kFloat));
  model.output.weight = leaf(model.output.weight.to(at::kFloat));
  model.output.bias = leaf(model.output.bias.to(at::kFloat));
  const auto found = gradients([&] { return model.loss(); }, model.leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i].to(at::kDouble), exact[i]), 1e-6) << i;
  }
}

TEST(HierarchicalSoftmax, Refusals) {
  Hierarchical model;
  const auto refusal = [&](const OutputLoss& loss) {
    return message_of<InvalidArgument>([&] { loss(model.batch, model.output, Stream{}); });
  };
  const char* needs = "output: has a tree, which needs HierarchicalSoftmaxLoss";
  EXPECT_EQ(refusal(FullSoftmaxLoss()), needs);
  EXPECT_EQ(refusal(AdaptiveSoftmaxLoss()), "output: has no tails, which this loss needs");
  EXPECT_EQ(refusal(NceLoss(NoiseDistribution::uniform(kOutputs))), needs);
  model.batch.targets[3] = kOutputs;
  EXPECT_EQ(refusal(HierarchicalSoftmaxLoss()), "targets: row 3: expected 0..6, got 7");
  model.batch.targets[3] = 0;
  model.output.weight = at::zeros({kOutputs, kDim}, at::kDouble);
  model.output.bias = Tensor();
  EXPECT_EQ(refusal(HierarchicalSoftmaxLoss()),
            "weight: expected 6 (rows, one for each inner node of the tree), got 7");
  model.output.tree = nullptr;
  EXPECT_EQ(refusal(HierarchicalSoftmaxLoss()), "output: has no tree, which this loss needs");
}

}  // namespace
}  // namespace partita::losses
