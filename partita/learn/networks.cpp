// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/networks.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <cmath>
#include <functional>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::networks {
namespace {

namespace nn = torch::nn;

constexpr double kLeak = 0.2;
constexpr double kDcganDeviation = 0.02;

void check(const ImageShape& shape) {
  if (shape.rows > 0 && shape.columns > 0 && shape.channels > 0 && shape.rows % 4 == 0 &&
      shape.columns % 4 == 0) {
    return;
  }
  throw InvalidArgument("shape", fmt::format("expected sides that are multiples of 4, got {} x {} "
                                             "with {} channels",
                                             shape.rows, shape.columns, shape.channels));
}

/// 3 x 3 with a border of zeros: it keeps the sides.
nn::Conv2d convolution(std::int64_t from, std::int64_t to) {
  return nn::Conv2d(nn::Conv2dOptions(from, to, 3).padding(1));
}

/// Halves, or doubles, the sides.
nn::Conv2d halving(std::int64_t from, std::int64_t to) {
  return nn::Conv2d(nn::Conv2dOptions(from, to, 4).stride(2).padding(1));
}
nn::ConvTranspose2d doubling(std::int64_t from, std::int64_t to) {
  return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(from, to, 4).stride(2).padding(1));
}

nn::LeakyReLU leaky() { return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(kLeak)); }

/// Draws each weight of two or more dimensions with deviation(weight); a weight of one dimension is
/// the scale of a normalization.
void set_weights(nn::Sequential& network, const Random& random,
                 const std::function<double(const Tensor&)>& deviation) {
  const at::NoGradGuard no_grad;
  for (auto& item : network->named_parameters()) {
    Tensor& weight = item.value();
    if (weight.dim() > 1) {
      weight.copy_(random.normal(weight.sizes(), weight.options()) * deviation(weight));
    } else {
      weight.fill_(item.key().ends_with("weight") ? 1 : 0);
    }
  }
}

}  // namespace

nn::Sequential mlp(const std::vector<std::int64_t>& sizes, Activation activation) {
  check_at_least("sizes", sizes.size(), 2);
  for (const std::int64_t size : sizes) check_at_least("sizes", size, 1);
  nn::Sequential network;
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    if (i > 1 && activation == Activation::relu) network->push_back(nn::ReLU());
    if (i > 1 && activation == Activation::tanh) network->push_back(nn::Tanh());
    network->push_back(nn::Linear(sizes[i - 1], sizes[i]));
  }
  return network;
}

nn::Sequential small_vgg(const ImageShape& shape, std::int64_t classes, std::int64_t width) {
  check(shape);
  check_at_least("classes", classes, 1);
  check_at_least("width", width, 1);
  return nn::Sequential(convolution(shape.channels, width), nn::ReLU(), convolution(width, width),
                        nn::ReLU(), nn::MaxPool2d(2), convolution(width, 2 * width), nn::ReLU(),
                        convolution(2 * width, 2 * width), nn::ReLU(), nn::MaxPool2d(2),
                        nn::Flatten(),
                        nn::Linear(2 * width * (shape.rows / 4) * (shape.columns / 4), 4 * width),
                        nn::ReLU(), nn::Linear(4 * width, classes));
}

nn::Sequential dcgan_generator(const ImageShape& shape, std::int64_t noise, std::int64_t width) {
  check(shape);
  check_at_least("noise", noise, 1);
  check_at_least("width", width, 1);
  const std::int64_t rows = shape.rows / 4;
  const std::int64_t columns = shape.columns / 4;
  const std::int64_t channels = 2 * width;
  return nn::Sequential(nn::Linear(noise, channels * rows * columns),
                        nn::Unflatten(nn::UnflattenOptions(1, {channels, rows, columns})),
                        nn::BatchNorm2d(channels), nn::ReLU(), doubling(channels, width),
                        nn::BatchNorm2d(width), nn::ReLU(), doubling(width, shape.channels),
                        nn::Tanh());
}

nn::Sequential dcgan_discriminator(const ImageShape& shape, std::int64_t width) {
  check(shape);
  check_at_least("width", width, 1);
  return nn::Sequential(halving(shape.channels, width), leaky(), halving(width, 2 * width),
                        nn::BatchNorm2d(2 * width), leaky(), nn::Flatten(),
                        nn::Linear(2 * width * (shape.rows / 4) * (shape.columns / 4), 1));
}

void initialize(nn::Sequential& network, const Random& random) {
  set_weights(network, random, [](const Tensor& weight) {
    return std::sqrt(2 / static_cast<double>(weight[0].numel()));  // [out, in, rows, columns]
  });
}

void initialize_glorot(nn::Sequential& network, const Random& random) {
  set_weights(network, random, [](const Tensor& weight) {
    const std::int64_t fan_in = weight[0].numel();
    const std::int64_t fan_out = weight.numel() / weight.size(1);
    return std::sqrt(2 / static_cast<double>(fan_in + fan_out));
  });
}

void initialize_dcgan(nn::Sequential& network, const Random& random) {
  set_weights(network, random, [](const Tensor& /*weight*/) { return kDcganDeviation; });
}

}  // namespace partita::networks
