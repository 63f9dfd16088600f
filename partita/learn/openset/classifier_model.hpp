// SPDX-License-Identifier: Apache-2.0
// A trained classifier in a file, with its architecture and the names of its classes: what
// `partita openset train` writes. A multilayer perceptron for points, a small VGG for images; with
// a reject class or without.
//
//   const openset::Architecture digits{.images = true, .rows = 28, .columns = 28, .classes = 5,
//                                      .width = 16};
//   openset::ClassifierModel model{digits, {"0", "1", "2", "3", "4"},
//                                  openset::make_classifier(digits, Stream{.seed = 1})};
//   ...                                                                // training
//   model.save("digits.model");
//
//   Tensor logits = openset::ClassifierModel::load("digits.model").logits(images);   // [N, 5]
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::openset {

/// A classifier of images [N, channels, rows, columns] or of points [N, columns].
struct Architecture {
  bool images = false;        ///< networks::small_vgg(), or networks::mlp() with two layers
  std::int64_t channels = 1;  ///< an image's
  std::int64_t rows = 0;      ///< an image's, a multiple of 4; 1 for points
  std::int64_t columns = 0;   ///< an image's, a multiple of 4; or the numbers of a point
  std::int64_t classes = 0;
  std::int64_t width = 0;  ///< small_vgg()'s, or the units of a layer of mlp()
  bool reject = false;     ///< one output more, the last, for none of the classes
};

/// Initial weights are from networks::initialize(). @throws InvalidArgument as the networks do.
torch::nn::Sequential make_classifier(const Architecture& architecture, const Random& random);

struct ClassifierModel {
  /// The kind under which its archive is filed.
  static constexpr std::string_view kArchive = "openset";

  Architecture architecture = {};
  std::vector<std::string> classes = {};  ///< their names, in the order of the logits
  torch::nn::Sequential classifier{nullptr};

  /// Logits [N, classes], with a gradient; of a reject class, without_reject().
  Tensor forward(const Tensor& x);
  /// The same for examples on any device, without gradient, a batch at a time where the network is;
  /// they come back on the CPU.
  Tensor logits(const Tensor& x);

  /// On the CPU. @throws IoError, DataError
  static ClassifierModel load(const std::filesystem::path& path);
  /// @throws IoError; InvalidArgument if there are not as many names as classes
  void save(const std::filesystem::path& path) const;
};

}  // namespace partita::openset
