// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/networks.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita::networks {
namespace {

using partita::testing::message_of;

constexpr Stream kStream{.seed = 1};

TEST(Networks, MapTheShapesThatTheySay) {
  const ImageShape shape{.rows = 8, .columns = 12, .channels = 2};
  EXPECT_EQ(mlp({3, 5, 2})->forward(at::zeros({7, 3})).sizes(), IntArrayRef({7, 2}));
  EXPECT_EQ(small_vgg(shape, 5, 4)->forward(at::zeros({7, 2, 8, 12})).sizes(), IntArrayRef({7, 5}));
  const Tensor images = dcgan_generator(shape, 9, 4)->forward(at::randn({7, 9}));
  EXPECT_EQ(images.sizes(), IntArrayRef({7, 2, 8, 12}));
  EXPECT_LE(images.abs().max().item<double>(), 1);
  EXPECT_EQ(dcgan_discriminator(shape, 4)->forward(images).sizes(), IntArrayRef({7, 1}));
}

TEST(Networks, FirstWeightsAreAFunctionOfTheStream) {
  const auto weights = [](Stream stream, std::int64_t torch_seed) {
    at::manual_seed(static_cast<std::uint64_t>(torch_seed));
    torch::nn::Sequential network = small_vgg({.rows = 8, .columns = 8}, 3, 16);
    initialize(network, stream);
    return network;
  };
  const auto one = weights(kStream, 1);
  const auto same = weights(kStream, 2);
  const auto other = weights({.seed = 2}, 1);
  for (std::size_t i = 0; i < one->parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(one->parameters()[i], same->parameters()[i]));
    if (one->parameters()[i].dim() > 1) {
      EXPECT_FALSE(at::equal(one->parameters()[i], other->parameters()[i]));
    }
  }
}

/// Standard deviation over its expected value. Of n normal draws it is within 5 / sqrt(2 n) of 1,
/// but once in 1.7 million.
void expect_deviation(const Tensor& weight, double expected) {
  const double ratio =
      weight.detach().to(at::kDouble).square().mean().sqrt().item<double>() / expected;
  EXPECT_LT(std::abs(ratio - 1), 5 / std::sqrt(2.0 * static_cast<double>(weight.numel())));
}

TEST(Networks, FirstWeightsHaveTheirDeviations) {
  torch::nn::Sequential vgg = small_vgg({.rows = 8, .columns = 8}, 3, 16);
  initialize(vgg, kStream);
  const auto named = vgg->named_parameters();
  expect_deviation(named["2.weight"], std::sqrt(2.0 / (16 * 9)));
  expect_deviation(named["11.weight"], std::sqrt(2.0 / (32 * 2 * 2)));
  EXPECT_EQ(named["2.bias"].abs().max().item<double>(), 0);

  torch::nn::Sequential tanh = mlp({300, 100, 2}, Activation::tanh);
  initialize_glorot(tanh, kStream);
  expect_deviation(tanh->named_parameters()["0.weight"], std::sqrt(2.0 / 400));
  initialize_glorot(vgg, kStream);
  expect_deviation(vgg->named_parameters()["2.weight"], std::sqrt(2.0 / (2 * 16 * 9)));

  torch::nn::Sequential generator = dcgan_generator({.rows = 8, .columns = 8}, 20, 16);
  initialize_dcgan(generator, kStream);
  const auto parameters = generator->named_parameters();
  expect_deviation(parameters["4.weight"], 0.02);
  EXPECT_TRUE(at::equal(parameters["2.weight"], at::ones({32})));
  EXPECT_TRUE(at::equal(parameters["2.bias"], at::zeros({32})));
}

TEST(Networks, HeInitializationKeepsTheScaleOfTheSignal) {
  torch::nn::Sequential deep = mlp({256, 256, 256, 256, 256, 256, 256});
  initialize(deep, kStream);
  const Tensor out = deep->forward(Random(Stream{.seed = 2}).normal({200, 256}, at::kFloat));
  // Each layer doubles what its ReLU halves; the first layer has none before it.
  EXPECT_NEAR(std::log2(out.square().mean().item<double>()), 1, 0.7);
}

TEST(Networks, RefuseShapesThatTheyCannotHalve) {
  EXPECT_EQ(message_of<InvalidArgument>([] { small_vgg({.rows = 30, .columns = 28}, 3); }),
            "shape: expected sides that are multiples of 4, got 30 x 28 with 1 channels");
  EXPECT_THROW(dcgan_generator({.rows = 0, .columns = 28}), InvalidArgument);
  EXPECT_THROW(dcgan_discriminator({.rows = 28, .columns = 1}), InvalidArgument);
  EXPECT_EQ(message_of<InvalidArgument>([] { mlp({3}); }), "sizes: expected 2 or more, got 1");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              mlp({3, 0, 1});
            }),
            "sizes: expected 1 or more, got 0");
}

TEST(Networks, RunOnAnotherDevice) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA";
  torch::nn::Sequential network = small_vgg({.rows = 8, .columns = 8}, 3, 8);
  initialize(network, kStream);
  const Tensor x = Random(kStream).normal({4, 1, 8, 8}, at::kFloat);
  const Tensor here = network->forward(x);
  network->to(at::Device(at::kCUDA));
  EXPECT_TRUE(at::allclose(network->forward(x.cuda()).cpu(), here, 1e-3, 1e-4));
}

}  // namespace
}  // namespace partita::networks
