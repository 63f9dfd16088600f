// SPDX-License-Identifier: Apache-2.0
// Adaptive softmax against libtorch's, and what makes it a softmax.
#include "partita/learn/losses/adaptive_softmax.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/adaptive.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
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

constexpr std::int64_t kOutputs = 23;
constexpr std::int64_t kDim = 32;
const std::vector<std::int64_t> kCutoffs{5, 9};

/// In double, with weights that are not special in any way.
struct Adaptive {
  OutputBatch batch{leaf(normal({40, kDim}, 0)), (at::arange(40) * 7).remainder(kOutputs)};
  OutputLayer output = adaptive_layer(kOutputs, kDim, kCutoffs, Stream{.seed = 1});

  Adaptive() {
    output.weight = leaf(normal(output.weight.sizes(), 1, 0.4));
    output.bias = leaf(normal(output.bias.sizes(), 2));
    std::uint64_t id = 3;
    for (Tail& tail : output.tails) {
      tail.projection = leaf(normal(tail.projection.sizes(), id++, 0.4));
      tail.weight = leaf(normal(tail.weight.sizes(), id++, 0.4));
    }
  }

  std::vector<Tensor> leaves() const {
    std::vector<Tensor> out{batch.hidden, output.weight, output.bias};
    for (const Tail& tail : output.tails) {
      out.insert(out.end(), {tail.projection, tail.weight});
    }
    return out;
  }

  Tensor loss(Reduction reduction = Reduction::mean) const {
    return AdaptiveSoftmaxLoss()(batch, output, Stream{}, reduction);
  }
};

TEST(AdaptiveSoftmax, IsThatOfLibtorch) {
  const Adaptive ours;
  torch::nn::AdaptiveLogSoftmaxWithLoss theirs(
      torch::nn::AdaptiveLogSoftmaxWithLossOptions(kDim, kOutputs, kCutoffs)
          .div_value(4)
          .head_bias(true));
  theirs->to(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> parameters = theirs->parameters();  // head, its bias, then each tail's two
    const std::vector<Tensor> leaves = ours.leaves();
    ASSERT_EQ(parameters.size(), leaves.size() - 1);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      ASSERT_EQ(parameters[i].sizes(), leaves[i + 1].sizes()) << i;
      parameters[i].copy_(leaves[i + 1]);
    }
  }
  const Tensor hidden = leaf(ours.batch.hidden);
  const auto expected = theirs(hidden, ours.batch.targets);
  EXPECT_LT(largest_difference(ours.loss(Reduction::none), -expected.output), 1e-13);
  EXPECT_NEAR(ours.loss().item<double>(), expected.loss, 1e-6);  // a double made of a float
  EXPECT_LT(largest_difference(adaptive_log_probs(ours.batch.hidden, ours.output),
                               theirs->log_prob(hidden)),
            1e-13);

  (-expected.output).mean().backward();
  const auto ours_of = gradients([&] { return ours.loss(); }, ours.leaves());
  EXPECT_LT(largest_difference(ours_of[0], hidden.grad()), 1e-14);
  const std::vector<Tensor> parameters = theirs->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_LT(largest_difference(ours_of[i + 1], parameters[i].grad()), 1e-14) << i;
  }
}

TEST(AdaptiveSoftmax, GradientsAreSlopes) {
  const Adaptive model;
  const auto loss = [&] { return model.loss(); };
  const auto found = gradients(loss, model.leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i], slope(loss, model.leaves()[i])), 1e-8) << i;
  }
}

// Over the full vocabulary the probabilities sum to 1, and are those of the loss.
TEST(AdaptiveSoftmax, IsASoftmax) {
  const Adaptive model;
  const Tensor log_p = adaptive_log_probs(model.batch.hidden, model.output);
  EXPECT_EQ(log_p.sizes(), IntArrayRef({40, kOutputs}));
  EXPECT_LT(log_p.logsumexp(-1).abs().max().item<double>(), 1e-13);
  const Tensor of_targets = log_p.gather(1, model.batch.targets.unsqueeze(1)).squeeze(1);
  EXPECT_LT(largest_difference(model.loss(Reduction::none), -of_targets), 1e-13);
  const TargetLikelihood evaluation = evaluate(model.batch, model.output);
  EXPECT_LT(largest_difference(evaluation.log_likelihood, of_targets), 1e-13);
  EXPECT_EQ(evaluation.log_z.abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(logits(model.batch.hidden, model.output), log_p));
  const Tensor deep = model.batch.hidden.view({5, 8, kDim});
  EXPECT_TRUE(at::equal(adaptive_log_probs(deep, model.output).flatten(0, 1), log_p));
}

// A row's loss does not depend on the others, and a tail that holds no target costs nothing.
TEST(AdaptiveSoftmax, RowsAlone) {
  const Adaptive model;
  const Tensor all = model.loss(Reduction::none);
  for (std::int64_t row = 0; row < 40; ++row) {
    const Tensor alone = AdaptiveSoftmaxLoss()(
        {model.batch.hidden.narrow(0, row, 1), model.batch.targets.narrow(0, row, 1)}, model.output,
        Stream{}, Reduction::none);
    EXPECT_NEAR(alone.item<double>(), all[row].item<double>(), 1e-13);
  }
}

TEST(AdaptiveSoftmax, Layer) {
  const OutputLayer output =
      adaptive_layer(kOutputs, kDim, std::vector<std::int64_t>{5, 9, 10}, Stream{.seed = 1});
  EXPECT_EQ(output.outputs(), kOutputs);
  EXPECT_EQ(output.weight.sizes(), IntArrayRef({5 + 3, kDim}));
  const std::vector<std::int64_t> widths{8, 2, 1};  // 32 / 4^i, and not below 1
  const std::vector<std::int64_t> sizes{4, 1, 13};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(output.tails[i].projection.sizes(), IntArrayRef({widths[i], kDim}));
    EXPECT_EQ(output.tails[i].weight.sizes(), IntArrayRef({sizes[i], widths[i]}));
  }
  EXPECT_THAT(default_cutoffs(50000), ElementsAre(2500, 10000));
  EXPECT_THAT(default_cutoffs(3), ElementsAre(1, 2));
  EXPECT_THAT(default_cutoffs(2), ElementsAre(1));
}

TEST(AdaptiveSoftmax, Refusals) {
  const auto cutoffs = [](const std::vector<std::int64_t>& each) {
    return message_of<InvalidArgument>(
        [&] { adaptive_layer(kOutputs, kDim, each, Stream{.seed = 1}); });
  };
  EXPECT_EQ(cutoffs({}), "cutoffs: expected ascending numbers of 1..22, got none");
  EXPECT_EQ(cutoffs({0, 4}), "cutoffs: expected ascending numbers of 1..22, got 0, 4");
  EXPECT_EQ(cutoffs({4, 4}), "cutoffs: expected ascending numbers of 1..22, got 4, 4");
  EXPECT_EQ(cutoffs({4, 23}), "cutoffs: expected ascending numbers of 1..22, got 4, 23");
  EXPECT_EQ(message_of<InvalidArgument>([] { default_cutoffs(1); }),
            "outputs: expected 2 or more, got 1");

  Adaptive model;
  const auto refusal = [&](const OutputLoss& loss) {
    return message_of<InvalidArgument>([&] { loss(model.batch, model.output, Stream{}); });
  };
  EXPECT_EQ(refusal(FullSoftmaxLoss()), "output: has tails, which need AdaptiveSoftmaxLoss");
  EXPECT_EQ(refusal(NceLoss(NoiseDistribution::uniform(kOutputs))),
            "output: has tails, which need AdaptiveSoftmaxLoss");
  model.batch.targets[3] = kOutputs;
  EXPECT_EQ(refusal(AdaptiveSoftmaxLoss()), "targets: row 3: expected 0..22, got 23");
  model.batch.targets[3] = 0;
  model.output.tails[1].projection = at::zeros({2, 5}, at::kDouble);
  EXPECT_EQ(refusal(AdaptiveSoftmaxLoss()),
            "tails: 1: expected projection [h, 32] and weight [n, h], got [2, 5] and [14, 2]");
  model.output.tails.clear();
  EXPECT_EQ(refusal(AdaptiveSoftmaxLoss()), "output: has no tails, which this loss needs");
}

}  // namespace
}  // namespace partita::losses
