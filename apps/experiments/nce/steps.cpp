// SPDX-License-Identifier: Apache-2.0
// What a training step costs against the number of outputs.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "apps/experiments/nce/experiment.hpp"
#include "partita/learn/losses/hierarchical_softmax.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::app {
namespace {

using losses::OutputLayer;
using losses::OutputLoss;

/// Median seconds of a step: loss, gradients and gradient descent.
double seconds_of_step(const OutputLoss& loss, const losses::OutputBatch& batch,
                       const OutputLayer& output) {
  using Clock = std::chrono::steady_clock;
  constexpr int kMostRuns = 15;
  constexpr double kEnough = 1;  // seconds
  constexpr double kRate = 0.01;
  std::vector<double> runs;
  double total = 0;
  for (std::uint64_t step = 0; step < kMostRuns && (step < 3 || total < kEnough); ++step) {
    const auto start = Clock::now();
    loss(batch, output, Stream{.seed = 1}.child(step)).backward();
    {
      const at::NoGradGuard no_grad;
      for (const Tensor& parameter : {output.weight, output.bias}) {
        Tensor(parameter).add_(parameter.grad(), -kRate);
        Tensor(parameter).mutable_grad() = Tensor();
      }
    }
    runs.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += runs.back();
  }
  std::nth_element(runs.begin() + 1,
                   runs.begin() + 1 + static_cast<std::ptrdiff_t>(runs.size() / 2),
                   runs.end());  // the first brought memory in
  return runs[1 + runs.size() / 2];
}

}  // namespace

std::vector<StepTime> time_steps(const NceExperimentOptions& options, const Phases& phases) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t v = 1000; v <= options.largest; v *= 10) sizes.push_back(v);
  std::vector<StepTime> out;
  const Progress progress = begin(phases, "timing");
  for (const std::int64_t v : sizes) {
    const Random random(nce_stream(options, NceDraw::timed));
    const auto normal = [&](IntArrayRef shape) {
      return random.normal(shape, at::kFloat).mul_(0.1).set_requires_grad(true);
    };
    const OutputLayer output{normal({v, options.dim}), normal({v})};
    const losses::OutputBatch batch{normal({kTimedBatch, options.dim}),
                                    at::arange(kTimedBatch).mul_(7919).remainder_(v)};
    const auto noise = losses::NoiseDistribution::uniform(v);
    const losses::NceLoss nce(noise, {.noise = kTimedNoise});
    const losses::SampledSoftmaxLoss sampled(noise, {.noise = kTimedNoise});
    OutputLayer tree{normal({v - 1, options.dim}), normal({v - 1})};
    tree.tree = std::make_shared<losses::HuffmanTree>(
        std::vector<std::uint64_t>(static_cast<std::size_t>(v), 1));
    out.push_back(
        {.outputs = v,
         .nce = seconds_of_step(nce, batch, output),
         .sampled_softmax = seconds_of_step(sampled, batch, output),
         .full_softmax = seconds_of_step(losses::FullSoftmaxLoss(), batch, output),
         .hierarchical_softmax = seconds_of_step(losses::HierarchicalSoftmaxLoss(), batch, tree)});
    if (progress) progress({out.size(), sizes.size(), "sizes of vocabulary"});
  }
  return out;
}

}  // namespace partita::app
