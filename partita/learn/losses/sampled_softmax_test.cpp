// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/sampled_softmax.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::losses {
namespace {

using testing::largest_difference;
using testing::leaf;

struct Truth {
  Tensor row = testing::normal({3}, 60);
  OutputLayer output{testing::normal({6, 3}, 61, 0.6), testing::normal({6}, 62)};
  NoiseDistribution noise{std::vector<double>{4, 1, 0.5, 2, 0.2, 3}};

  Tensor probs() const { return (output.weight.mv(row) + output.bias).softmax(0); }
  OutputBatch sample(std::int64_t rows) const {
    return {leaf(row.expand({rows, 3})), testing::sample_categories(probs(), rows, 63)};
  }
};

/// The largest z-score of the mean of each row's gradient in its hidden state from 0.
double distance_from_zero(const Tensor& loss, const OutputBatch& batch) {
  const Tensor g = torch::autograd::grad({loss}, {batch.hidden})[0];
  double largest = 0;
  for (std::int64_t i = 0; i < g.size(1); ++i) {
    largest = std::max(largest, z_score(to_vector(g.select(1, i)), 0));
  }
  return largest;
}

// At exp(s) / Z = p the expected gradient is 0 for any k: the correction's sign and size are right.
TEST(SampledSoftmaxLoss, IsConsistentForAnyKWhenHitsAreKept) {
  constexpr std::int64_t kRows = 200'000;
  const Truth truth;
  const OutputBatch batch = truth.sample(kRows);
  for (const std::int64_t k : {1, 2, 20}) {
    const SampledSoftmaxLoss loss(truth.noise, {.noise = k, .mask_accidental_hits = false});
    EXPECT_LT(
        distance_from_zero(loss(batch, truth.output, Stream{.seed = 64}, Reduction::sum), batch),
        kFiveSigma);

    // Without the correction, or with its sign turned, it is not.
    const Tensor words =
        at::cat({batch.targets.unsqueeze(1), truth.noise.draw({kRows, k}, Stream{.seed = 64})}, 1);
    const Tensor log_q = truth.noise.log_prob(at::arange(6), at::kDouble);
    for (const double sign : {0.0, -1.0}) {
      const Tensor s = batch.hidden.mm(truth.output.weight.t()) + truth.output.bias;
      const Tensor logits = (s - sign * log_q).gather(1, words);
      EXPECT_GT(distance_from_zero(-logits.log_softmax(1).select(1, 0).sum(), batch),
                4 * kFiveSigma);
    }
  }
}

TEST(SampledSoftmaxLoss, ManyDrawsGiveTheGradientOfTheFullSoftmax) {
  const Truth truth;
  const OutputBatch batch = truth.sample(20);
  const auto gradient = [&](const OutputLoss& loss) {
    return torch::autograd::grad({loss(batch, truth.output, Stream{.seed = 65}, Reduction::sum)},
                                 {batch.hidden})[0];
  };
  const Tensor exact = gradient(FullSoftmaxLoss());
  const auto distance = [&](std::int64_t k) {
    return largest_difference(
        gradient(SampledSoftmaxLoss(truth.noise, {.noise = k, .mask_accidental_hits = false})),
        exact);
  };
  EXPECT_GT(distance(10), 0.1);
  EXPECT_LT(distance(100'000), 0.02);
}

TEST(SampledSoftmaxLoss, MaskedHitsHaveNoPart) {
  // Noise that is always the first output: masked in rows whose target it is.
  const Truth truth;
  const NoiseDistribution first(std::vector<double>{1, 1e-30, 1e-30, 1e-30, 1e-30, 1e-30});
  const OutputBatch batch{leaf(truth.row.expand({2, 3})), testing::integers({0, 1})};
  const Tensor each = SampledSoftmaxLoss(first, {.noise = 3})(batch, truth.output,
                                                              Stream{.seed = 66}, Reduction::none);
  EXPECT_EQ(each[0].item<double>(), 0);
  const Tensor kept = SampledSoftmaxLoss(first, {.noise = 3, .mask_accidental_hits = false})(
      batch, truth.output, Stream{.seed = 66}, Reduction::none);
  EXPECT_NEAR(kept[0].item<double>(), std::log(4), 1e-14);
  EXPECT_EQ(kept[1].item<double>(), each[1].item<double>());
}

TEST(SampledSoftmaxLoss, DoesNotSeeAConstantAddedToScores) {
  const Truth truth;
  const OutputBatch batch = truth.sample(50);
  const OutputLayer shifted{truth.output.weight, truth.output.bias + 5};
  const SampledSoftmaxLoss loss(truth.noise, {.noise = 4});
  EXPECT_LT(largest_difference(loss(batch, truth.output, Stream{}, Reduction::none),
                               loss(batch, shifted, Stream{}, Reduction::none)),
            1e-13);
}

TEST(SampledSoftmaxLoss, RefusesNoNoise) {
  EXPECT_EQ(partita::testing::message_of<InvalidArgument>(
                [] { SampledSoftmaxLoss(NoiseDistribution::uniform(3), {.noise = 0}); }),
            "noise: expected 1 or more (draws), got 0");
}

}  // namespace
}  // namespace partita::losses
