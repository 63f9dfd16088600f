// SPDX-License-Identifier: Apache-2.0
// Networks from which several models are built, as torch::nn::Sequential.
//
//   torch::nn::Sequential classifier = networks::mlp({2, 128, 128, 3});
//   torch::nn::Sequential generator = networks::dcgan_generator({.rows = 28, .columns = 28});
//   networks::initialize(classifier, Stream{.seed = 1});   // weights as a function of the stream
//
// torch draws initial weights from its global generator as it builds a layer; initialize() replaces
// them, so that networks depend on no global seed.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <vector>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::networks {

/// The images that these networks see: [N, channels, rows, columns], pixels in [-1, 1].
struct ImageShape {
  std::int64_t rows = 28;     ///< a multiple of 4
  std::int64_t columns = 28;  ///< a multiple of 4
  std::int64_t channels = 1;
};

enum class Activation : std::uint8_t { relu, tanh };

/// Linear layers with activations between them: [..., sizes.front()] to [..., sizes.back()].
/// @throws InvalidArgument unless there are two sizes or more, all positive.
torch::nn::Sequential mlp(const std::vector<std::int64_t>& sizes,
                          Activation activation = Activation::relu);

/// Two blocks, each of two 3 x 3 convolutions and a 2 x 2 max-pooling, of `width` and 2 width
/// channels, then a hidden layer of 4 width: images to logits [N, classes]. A small network in the
/// style of Simonyan, Zisserman (2015), "Very deep convolutional networks for large-scale image
/// recognition".
/// @throws InvalidArgument for a shape whose sides are not multiples of 4.
torch::nn::Sequential small_vgg(const ImageShape& shape, std::int64_t classes,
                                std::int64_t width = 32);

/// [N, noise] to images: a linear layer, then two transposed convolutions of stride 2, with batch
/// normalization, ReLU and a last tanh. Radford, Metz, Chintala (2016), "Unsupervised
/// representation learning with deep convolutional generative adversarial networks" (DCGAN).
torch::nn::Sequential dcgan_generator(const ImageShape& shape, std::int64_t noise = 100,
                                      std::int64_t width = 32);

/// Images to logits [N, 1] of being real: two convolutions of stride 2, with leaky ReLUs of slope
/// 0.2 and batch normalization after the second, then a linear layer (DCGAN).
torch::nn::Sequential dcgan_discriminator(const ImageShape& shape, std::int64_t width = 32);

/// Sets the weights of linear and convolutional layers to N(0, 2 / fan-in) draws (He, Zhang, Ren,
/// Sun 2015), those of normalization layers to 1, and biases to 0.
void initialize(torch::nn::Sequential& network, const Random& random);
/// The same with N(0, 2 / (fan-in + fan-out)) draws, for tanh (Glorot, Bengio 2010).
void initialize_glorot(torch::nn::Sequential& network, const Random& random);
/// The same with N(0, 0.02^2) draws, as in DCGAN.
void initialize_dcgan(torch::nn::Sequential& network, const Random& random);

}  // namespace partita::networks
