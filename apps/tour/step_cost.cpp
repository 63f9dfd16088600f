// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/step_cost.hpp"

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/nce/experiment.hpp"
#include "apps/report/figure.hpp"
#include "partita/learn/losses/hierarchical_softmax.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::app {
namespace {

using losses::NceLoss;
using losses::NoiseDistribution;
using losses::OutputBatch;
using losses::OutputLayer;
using losses::OutputLoss;

/// Of words of Zipf's frequencies.
double log_z_of_a_tree(const TourContext& context) {
  constexpr std::int64_t kLeaves = 1000;
  constexpr std::int64_t kDim = 16;
  std::vector<std::uint64_t> counts;
  for (std::uint64_t rank = 1; rank <= kLeaves; ++rank) counts.push_back(100'000 / rank);
  const Random random(context.stream(1));
  losses::OutputLayer output{random.normal({kLeaves - 1, kDim}, at::kDouble)};
  output.tree = std::make_shared<losses::HuffmanTree>(counts);
  const Tensor log_p = losses::logits(random.normal({20, kDim}, at::kDouble), output);
  return log_p.logsumexp(-1).abs().max().item<double>();
}

/// How many rows of an output layer of `words` words a step of 64 rows finds a gradient for.
double rows_changed(const OutputLoss& loss, std::int64_t words, bool is_tree,
                    const Random& random) {
  constexpr std::int64_t kRows = 64;
  OutputLayer output{random.normal({is_tree ? words - 1 : words, 4}, at::kFloat)};
  output.weight.set_requires_grad(true);
  if (is_tree) {
    output.tree = std::make_shared<losses::HuffmanTree>(
        std::vector<std::uint64_t>(static_cast<std::size_t>(words), 1));
  }
  const OutputBatch batch{random.normal({kRows, 4}, at::kFloat),
                          at::arange(kRows).mul_(7919).remainder_(words)};
  loss(batch, output, Stream{.seed = 1}).backward();
  const Tensor gradient = output.weight.grad();
  const Tensor dense = gradient.is_sparse() ? gradient.to_dense() : gradient;
  return dense.abs().sum(1).gt(0).sum().item<double>();
}

}  // namespace

Finding step_cost(const TourContext& context) {
  NceExperimentOptions options;
  options.largest = context.choose<std::int64_t>(1'000'000, 100'000);
  options.seed = context.options.seed;
  const std::vector<StepTime> times = time_steps(options);
  Series nce{.name = "NCE"};
  Series sampled{.name = "sampled softmax"};
  Series full{.name = "full softmax"};
  Series tree{.name = "hierarchical softmax"};
  for (const StepTime& time : times) {
    for (const auto& [series, seconds] : {std::pair{&nce, time.nce},
                                          {&sampled, time.sampled_softmax},
                                          {&full, time.full_softmax},
                                          {&tree, time.hierarchical_softmax}}) {
      series->x.push_back(static_cast<double>(time.outputs));
      series->y.push_back(1000 * seconds);
    }
  }
  // What is checked is counted and not timed: 64 rows, 25 words of noise each.
  constexpr std::int64_t kWords = 100'000;
  const Random random(context.stream(2));
  const NoiseDistribution noise = NoiseDistribution::uniform(kWords);
  const auto changed = [&](const OutputLoss& loss, bool is_tree = false) {
    return rows_changed(loss, kWords, is_tree, random);
  };
  return {{at_most("NCE: rows of the layer that a step changes, of 100,000",
                   changed(NceLoss(noise, {.noise = 25})), 64 * 26),
           at_most("hierarchical softmax: the same",
                   changed(losses::HierarchicalSoftmaxLoss(), true), 64 * 17),
           at_least("full softmax: the same", changed(losses::FullSoftmaxLoss()), kWords),
           at_most("hierarchical softmax: largest |log Σ p|", log_z_of_a_tree(context), 1e-12)},
          {{to_svg({.title = "Time of a step against the number of words",
                    .x = {.label = "words", .logarithmic = true},
                    .y = {.label = "milliseconds", .logarithmic = true},
                    .series = {nce, sampled, full, tree}}),
            "Loss, gradients and descent of 64 rows, 25 draws of noise each."}}};
}

}  // namespace partita::app
