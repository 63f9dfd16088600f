// A trained classifier in a file, with its architecture and the names of its classes: what
// `partita openset train` writes. A multilayer perceptron for points, a small VGG for images.
//
//   const openset::Architecture digits{.images = true, .rows = 28, .columns = 28, .classes = 5,
//                                      .width = 16};
//   torch::nn::Sequential classifier = openset::make_classifier(digits, Stream{.seed = 1});
//   ...                                                                // training
//   openset::ClassifierModel{digits, {"0", "1", "2", "3", "4"}, classifier}.save("digits.model");
//
//   openset::ClassifierModel model = openset::ClassifierModel::load("digits.model");
//   Tensor logits = openset::logits_of(model.classifier, images);      // [N, 5]
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

/// A classifier of images [N, 1, rows, columns] or of points [N, columns].
struct Architecture {
  bool images = false;       ///< networks::small_vgg(), or networks::mlp() with two layers of 128
  std::int64_t rows = 0;     ///< an image's, a multiple of 4; 1 for points
  std::int64_t columns = 0;  ///< an image's, a multiple of 4; or the numbers of a point
  std::int64_t classes = 0;
  std::int64_t width = 0;  ///< small_vgg()'s
};

/// Initial weights are from networks::initialize(). @throws InvalidArgument as the networks do.
torch::nn::Sequential make_classifier(const Architecture& architecture, const Random& random);

/// Logits [N, classes] of examples on any device, without gradient, a batch at a time where the
/// network is; they come back on the CPU.
Tensor logits_of(torch::nn::Sequential& classifier, const Tensor& x);

struct ClassifierModel {
  /// The kind under which its archive is filed.
  static constexpr std::string_view kArchive = "openset";

  Architecture architecture = {};
  std::vector<std::string> classes = {};  ///< their names, in the order of the logits
  torch::nn::Sequential classifier{nullptr};

  /// On the CPU. @throws IoError, DataError
  static ClassifierModel load(const std::filesystem::path& path);
  /// @throws IoError; InvalidArgument if there are not as many names as classes
  void save(const std::filesystem::path& path) const;
};

}  // namespace partita::openset
