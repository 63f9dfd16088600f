// A trained classifier in a file: its architecture, the names of its classes, its weights.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "partita/learn/random.hpp"

namespace partita::app {

struct OpensetArchitecture {
  bool images = false;  // a small VGG; else a multilayer perceptron on points
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t classes = 0;
  std::int64_t width = 0;
};

/// With fresh weights.
torch::nn::Sequential make_classifier(const OpensetArchitecture& architecture,
                                      const Random& random);

struct OpensetModel {
  OpensetArchitecture architecture;
  std::vector<std::string> classes;
  torch::nn::Sequential classifier;
};

/// @throws IoError
void save_openset_model(const std::filesystem::path& path, const OpensetModel& model);
/// @throws IoError, DataError
OpensetModel load_openset_model(const std::filesystem::path& path);

/// Logits of examples on the CPU, in batches, computed where the network is.
Tensor logits_of(torch::nn::Sequential& classifier, const Tensor& x);

}  // namespace partita::app
