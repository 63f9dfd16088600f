// SPDX-License-Identifier: Apache-2.0
// A training step of a variational auto-encoder in the shared loop, against a loop written by hand
// with libtorch's modules and functions: ./dev bench vae
//
// Both train 784-200-200-50 with tanh on the same images in batches of 20, binarized anew in every
// step, by Adam, on one thread. The loop by hand draws with torch's generator, takes its loss from
// binary_cross_entropy_with_logits, and neither logs nor sums its losses.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/nn.h>
#include <torch/optim/adam.h>

#include "compare.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/vae/vae_training.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;
namespace nn = torch::nn;

constexpr std::int64_t kImages = 10'000;
constexpr std::int64_t kBatch = 20;
constexpr std::int64_t kInputs = 784;
constexpr std::int64_t kDim = 50;
constexpr std::int64_t kSteps = 300;  // per turn

/// Seconds per step.
double ours(const Tensor& images, std::int64_t samples) {
  const auto vae = std::make_shared<vae::Vae>(vae::VaeOptions{}, Stream{.seed = 1});
  estimators::Pathwise estimator({.samples = samples});
  const auto result = vae::train(
      vae, images, estimator, Stream{.seed = 2},
      {.epochs = static_cast<double>(kSteps * kBatch) / kImages, .batch = kBatch, .epsilon = 1e-4});
  return result.loop.seconds / static_cast<double>(result.loop.steps);
}

double by_hand(const Tensor& images, std::int64_t samples) {
  using Clock = std::chrono::steady_clock;
  const Tensor grays = images.to(at::kFloat) / 255;
  nn::Sequential encoder(nn::Linear(kInputs, 200), nn::Tanh(), nn::Linear(200, 200), nn::Tanh(),
                         nn::Linear(200, 2 * kDim));
  nn::Sequential decoder(nn::Linear(kDim, 200), nn::Tanh(), nn::Linear(200, 200), nn::Tanh(),
                         nn::Linear(200, kInputs));
  std::vector<Tensor> parameters = encoder->parameters();
  for (const Tensor& each : decoder->parameters()) parameters.push_back(each);
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-3).eps(1e-4));
  const auto start = Clock::now();
  const Tensor order = at::randperm(kImages);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const Tensor rows = order.slice(0, step * kBatch, (step + 1) * kBatch);
    const Tensor x = at::bernoulli(grays.index_select(0, rows));
    const auto code = encoder->forward(x).chunk(2, -1);
    const Tensor z = code[0] + code[1].exp() * at::randn({samples, kBatch, kDim});
    const Tensor logits = decoder->forward(z);
    const Tensor reconstruction = at::binary_cross_entropy_with_logits(logits, x.expand_as(logits),
                                                                       {}, {}, at::Reduction::Sum);
    const Tensor kl = 0.5 * (code[0].square() + (2 * code[1]).exp() - 1 - 2 * code[1]).sum();
    const Tensor loss = (reconstruction / samples + kl) / kBatch;
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
  return std::chrono::duration<double>(Clock::now() - start).count() / kSteps;
}

}  // namespace

int main() {
  at::set_num_threads(1);
  at::manual_seed(1);
  const Tensor images = at::randint(0, 256, {kImages, kInputs}, at::kByte);
  print_header({"samples", "partita, ms per step", "by hand"});
  for (const std::int64_t samples : {1, 5}) {
    const Comparison result = compare_turns(
        {[&] { return ours(images, samples); }, [&] { return by_hand(images, samples); }});
    print_row({fmt::to_string(samples), fmt::format("{:.3f}", 1e3 * result.seconds),
               times(result.ratios[0])});
  }
}
