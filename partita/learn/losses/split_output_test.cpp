// SPDX-License-Identifier: Apache-2.0
// Losses of an output layer whose rows are split over ranks: those of one process, and gradients.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::gradients;
using testing::leaf;
using testing::SmallModel;

constexpr std::int64_t kRows = 9;

struct Named {
  std::string name;
  std::shared_ptr<OutputLoss> loss;
};

std::vector<Named> all_losses(std::int64_t outputs) {
  std::vector<double> weights;
  for (std::int64_t i = 0; i < outputs; ++i) weights.push_back(1 + static_cast<double>(i % 5));
  const NoiseDistribution noise(weights);
  std::vector<Named> all = {{"full softmax", std::make_shared<FullSoftmaxLoss>()}};
  for (const bool shared : {false, true}) {
    const std::string how = shared ? ", shared noise" : "";
    all.push_back({"NCE" + how, std::make_shared<NceLoss>(
                                    noise, NceOptions{.noise = 4, .shared_noise = shared})});
    all.push_back(
        {"negative sampling" + how,
         std::make_shared<NegativeSamplingLoss>(
             noise, NegativeSamplingOptions{
                        .noise = 4, .shared_noise = shared, .mask_accidental_hits = true})});
    all.push_back({"sampled softmax" + how,
                   std::make_shared<SampledSoftmaxLoss>(
                       noise, SampledSoftmaxOptions{.noise = 4, .shared_noise = shared})});
  }
  return all;
}

SmallModel model_of(std::int64_t outputs, at::ScalarType type) {
  SmallModel model(kRows, outputs);
  model.batch.hidden = leaf(model.batch.hidden.to(type));
  model.output.weight = leaf(model.output.weight.to(type));
  model.output.bias = leaf(model.output.bias.to(type));
  return model;
}

/// The own rows of a model's output layer.
OutputLayer part_of(const OutputLayer& output, const SplitColumns& columns) {
  const auto own = [&](const Tensor& all) {
    return leaf(all.narrow(0, static_cast<std::int64_t>(columns.first()),
                           static_cast<std::int64_t>(columns.size())));
  };
  return {own(output.weight), own(output.bias), {}, &columns};
}

double relative_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (b.numel() == 0) return 0;
  return ((a - b).norm() / b.norm().clamp_min(1e-30)).item<double>();
}

TEST(SplitOutput, LossesAndGradientsAreThoseOfOneProcess) {
  for (const auto& [type, tolerance] :
       {std::pair(at::kDouble, 1e-13), std::pair(at::kFloat, 1e-6)}) {
    for (const std::int64_t outputs : {3, 97}) {  // 3: some ranks hold none
      for (const auto& [name, loss] : all_losses(outputs)) {
        const SmallModel whole = model_of(outputs, type);
        const auto value = [&, &l = *loss](const OutputBatch& batch, const OutputLayer& output) {
          const Tensor each = l(batch, output, Stream{.seed = 5}, Reduction::none);
          return (each * at::arange(1, kRows + 1, each.options())).sum();  // no row like another
        };
        const Tensor expected = value(whole.batch, whole.output);
        const auto slopes =
            gradients([&] { return value(whole.batch, whole.output); }, whole.leaves());
        for (const int ranks : {2, 3, 4}) {
          run_threads(ranks, [&, &what = name, &type = type, &tolerance = tolerance](Group& group) {
            const SmallModel own = model_of(outputs, type);
            const SplitColumns columns(static_cast<std::size_t>(outputs), group);
            const OutputLayer output = part_of(own.output, columns);
            const Tensor got = value(own.batch, output);
            EXPECT_LT(relative_difference(got, expected), tolerance) << what;
            const auto parts = gradients([&] { return value(own.batch, output); },
                                         {own.batch.hidden, output.weight, output.bias});
            const auto first = static_cast<std::int64_t>(columns.first());
            const auto size = static_cast<std::int64_t>(columns.size());
            EXPECT_LT(relative_difference(parts[0], slopes[0]), tolerance) << what;
            EXPECT_LT((parts[1] - slopes[1].narrow(0, first, size)).norm().item<double>(),
                      tolerance * slopes[1].norm().item<double>())
                << what;
            EXPECT_LT((parts[2] - slopes[2].narrow(0, first, size)).norm().item<double>(),
                      tolerance * slopes[2].norm().item<double>())
                << what;
          });
        }
      }
    }
  }
}

TEST(SplitOutput, SoIsTheLikelihood) {
  for (const std::int64_t outputs : {3, 97}) {
    const SmallModel whole(kRows, outputs);
    const TargetLikelihood expected = evaluate(whole.batch, whole.output);
    run_threads(3, [&](Group& group) {
      const SmallModel own(kRows, outputs);
      const SplitColumns columns(static_cast<std::size_t>(outputs), group);
      const TargetLikelihood got = evaluate(own.batch, part_of(own.output, columns));
      EXPECT_LT(relative_difference(got.log_z, expected.log_z), 1e-14);
      EXPECT_LT(relative_difference(got.log_likelihood, expected.log_likelihood), 1e-14);
    });
  }
}

TEST(SplitOutput, FarApartScoresDoNotOverflow) {
  run_threads(2, [&](Group& group) {
    const SplitColumns columns(4, group);
    const Tensor all = at::tensor({-1e4, 1e4, 1e4 - 1, 0.0}, at::kDouble).unsqueeze(1);
    const OutputLayer output{
        all.narrow(0, static_cast<std::int64_t>(columns.first()), 2), {}, {}, &columns};
    const OutputBatch batch{at::ones({1, 1}, at::kDouble), testing::integers({2})};
    EXPECT_NEAR(FullSoftmaxLoss()(batch, output, Stream{}).item<double>(), 1.3132616875182228,
                1e-12);
  });
}

TEST(SplitOutput, WhatDoesNotFitIsRefused) {
  const SmallModel model;
  const auto refusal = [&](const OutputLayer& output) {
    return message_of<InvalidArgument>([&] { FullSoftmaxLoss()(model.batch, output, Stream{}); });
  };
  const SplitColumns columns(8);
  EXPECT_EQ(refusal({model.output.weight, {}, {}, &columns}),
            "weight: expected 8 (rows, this rank's columns), got 7");
  const SplitColumns own(7);
  EXPECT_EQ(refusal({model.output.weight, model.output.weight, {}, &own}).substr(0, 5), "bias:");
}

}  // namespace
}  // namespace partita::losses
